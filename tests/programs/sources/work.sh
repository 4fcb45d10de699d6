# Long work for bash: subshells, arrays, here-documents, pipes, process substitution, coprocesses, traps.
set -u
declare -A count
declare -a list
for ((i = 0; i < 30000; i++)); do
  word=w$((i * 7919 % 1007))
  count[$word]=$((${count[$word]:-0} + 1))
  list+=("$word-$i")
done
for word in $(printf '%s\n' "${!count[@]}" | sort | head -n 20); do echo "$word ${count[$word]}"; done
unset 'list[100]' 'list[2000]'
text=$(printf '%s,' "${list[@]}")
echo "${#text} ${#list[@]} ${list[@]:50:3}"
echo "${text//w1/X}" | md5sum
echo "${text^^}" | tr -d 0-9 | md5sum

total=0
for n in {1..400}; do total=$((total + $(echo "$n" | { read -r x; echo $((x * x)); }))); done
echo "squares $total"

for i in 1 2 3 4 5 6 7 8; do
  (
    trap 'echo "end of $i"' EXIT
    list=("${list[@]:$i:500}")
    echo "subshell $i ${#list[@]} ${list[-1]}"
    exit "$i"
  ) &
  wait "$!"
  echo "status $?"
done

document() {
  cat <<END
$1: $(for x in "${@:2}"; do printf '<%s>' "$x"; done)
  ${!1:-unset} $((${#2} + 1))
END
}
for n in {1..60}; do document HOME "a$n" 'b c' "$(cat <<'IN'
quoted $HOME `text`
IN
)"; done | sed "s|$HOME|home|" | md5sum

printf '%s\n' {1..40000} | while read -r n; do [[ $n =~ ^([0-9])([0-9]*)\1$ ]] && echo "${BASH_REMATCH[2]}"; done | md5sum
paste <(seq 3000) <(seq 3000 -1 1 | rev) | sort -k2,2 | tail -n 3
mapfile -t lines < <(seq 50000)
echo "${#lines[@]} ${lines[49999]}"
IFS=, read -r -a parts <<<"$text"
echo "${#parts[@]} ${parts[29000]}"

coproc double { while read -r n; do echo $((n * 2)); done; }
for n in {1..500}; do
  echo "$n" >&"${double[1]}"
  read -r answer <&"${double[0]}"
  total=$((total + answer))
done
eval "exec ${double[1]}>&-"
wait "$double_PID"
echo "doubled $total"

fibonacci() {
  local n=$1
  if ((n < 2)); then echo 1; return; fi
  echo $(($(fibonacci $((n - 1))) + $(fibonacci $((n - 2)))))
}
fibonacci 11
long=x
for n in {1..20}; do long=$long$long; done
echo "${#long}"
case $long in *xxxxy*) echo no ;; x*x) echo yes ;; esac
printf -v formatted '%05d|%-10s|%q' 42 left 'a b'
echo "$formatted"
seq 200000 | sort -R --random-source=<(yes) | sort -n | md5sum
trap 'echo bye' EXIT
exit 7
