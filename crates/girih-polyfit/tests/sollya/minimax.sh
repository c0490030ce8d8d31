#!/bin/sh
# Minimax errors by Sollya (Chevillard, Joldes, Lauter, ICMS 2010), for the test `sollya`.
#
#   sh minimax.sh > minimax.txt       all cases, some minutes
#   sh minimax.sh CASE                one case, by its name in the table
#
# A line is: name, kind, lo, hi, degree, error to 25 digits. Kinds:
#   plain      all powers on [lo, hi]
#   even, odd  even or odd powers on [lo, hi] with lo >= 0: the same as all powers on [-hi, -lo] u [lo, hi]
#              for an even or odd function
#   relative   all powers, error divided by the function
#   through0   powers from 1 on
set -eu

cases='
exp3           plain    exp(x)                                      -1 1 3
exp7           plain    exp(x)                                      -1 1 7
exp15          plain    exp(x)                                      -8 0 15
exp31          plain    exp(x)                                      -20 2 31
exp63          plain    exp(x)                                      -150 1 63
sigmoid7       plain    1/(1+exp(-x))                               -8 8 7
sigmoid13      plain    1/(1+exp(-x))                               -3 7 13
sigmoid31      plain    1/(1+exp(-x))                               -12 12 31
sigmoid63      plain    1/(1+exp(-x))                               -16 12 63
tanh15         plain    tanh(x)                                     -4 4 15
tanh31         plain    tanh(x)                                     -3 5 31
tanh63         plain    tanh(x)                                     -8 8 63
gelu15         plain    x/2*(1+erf(x/sqrt(2)))                      -5 5 15
gelu27         plain    x/2*(1+erf(x/sqrt(2)))                      -5 5 27
gelu35         plain    x/2*(1+erf(x/sqrt(2)))                      -4 10 35
gelu63         plain    x/2*(1+erf(x/sqrt(2)))                      -12 12 63
gelu_tanh21    plain    x/(1+exp(-2*sqrt(2/pi)*(x+0.044715*x^3)))   -6 6 21
silu27         plain    x/(1+exp(-x))                               -8 8 27
silu47         plain    x/(1+exp(-x))                               -20 9 47
softplus23     plain    log(1+exp(x))                               -10 10 23
erf11          plain    erf(x)                                      -3 3 11
erf31          plain    erf(x)                                      -4 2 31
log9           plain    log(x)                                      0.125 10 9
log31          plain    log(x)                                      0.015625 1 31
reciprocal12   plain    1/x                                         0.125 1 12
reciprocal47   plain    1/x                                         0.0078125 1 47
sqrt15         plain    sqrt(x)                                     0.0009765625 1 15
inverse_sqrt20 plain    1/sqrt(x)                                   0.015625 1 20
inverse_sqrt63 plain    1/sqrt(x)                                   0.0009765625 1 63
abs2           even     x                                           0 1 2
abs14          even     x                                           0 1 14
abs30          even     x                                           0 1 30
abs62          even     x                                           0 1 62
sign7          odd      1                                           0.25 1 7
sign15         odd      1                                           0.25 1 15
sign27         odd      1                                           0.75 1.25 27
sign31         odd      1                                           0.0625 1 31
sign63         odd      1                                           0.03125 1 63
reciprocal31   odd      1/x                                         0.125 2 31
exp_relative9  relative exp(x)                                      -2 3 9
log_through8   through0 log(1+x)                                    0.125 3 8
'

solve() { # name kind function lo hi degree
    case $2 in
    plain | relative) powers="[|0,...,$6|]" ;;
    even) powers='[|' && k=0 && while [ $k -le "$6" ]; do powers="$powers$k," && k=$((k + 2)); done && powers="${powers%,}|]" ;;
    odd) powers='[|' && k=1 && while [ $k -le "$6" ]; do powers="$powers$k," && k=$((k + 2)); done && powers="${powers%,}|]" ;;
    through0) powers="[|1,...,$6|]" ;;
    esac
    # gelu_tanh: 0.044715 is the double nearest to it.
    f=$(echo "$3" | sed 's/0\.044715/(6444110634811895*2^(-57))/')
    # remez minimises |p w - f|.
    weight=1
    [ "$2" != relative ] || { weight="1/($f)" && f=1; }
    error=$(sollya --warnonstderr 2>/dev/null <<END
prec = 400!; display = decimal!; verbosity = 0!;
f = $f; I = [$4;$5]; w = $weight;
p = remez(f, $powers, I, w, 1b-60);
e = dirtyinfnorm(f - p*w, I);
print(round(e, 90, RN));
quit;
END
) || error=
    error=$(echo "$error" | sed 's/\(\.[0-9]\{25\}\)[0-9]*/\1/')
    [ -n "$error" ] || error=failed
    echo "$1 $2 $4 $5 $6 $error"
}

echo "$cases" | while read -r name kind f lo hi degree; do
    [ -n "$name" ] || continue
    [ $# -eq 0 ] || [ "$1" = "$name" ] || continue
    solve "$name" "$kind" "$f" "$lo" "$hi" "$degree"
done
