package compiler

import "strings"

// A shim keeps what its tool reads, and reads nothing that the tool would not:
// standard input may be the rest of a loop's. So it goes through the arguments
// as the tool does.
//
// Variables: i is the copy, m the number of the argument that names the input,
// 0 for standard input, r says that this argument is no regular file and the
// copy takes its place, x that nothing is read.

// toolFunction runs the real tool on what it is to read.
func toolFunction(real string) string {
	return `m=0 r= x= f=
tool() {
  if [ -n "$r" ]; then
    c=0
    for a do
      c=$((c+1))
      [ $c -gt 1 ] || set --
      [ $c != $m ] || a=$i
      set -- "$@" "$a"
    done
  fi
  if [ -n "$i" ] && [ $m = 0 ]; then ` + real + ` "$@" <"$i"; else ` + real + ` "$@"; fi
}
keep() {
  i=` + shimIn + `/$$
  while [ -e "$i" ]; do i=$i.; done
  if [ $m = 0 ]; then
    cat >"$i" 2>/dev/null || i=/dev/stdin
  elif [ -r "$f" ] && [ ! -d "$f" ]; then
    [ -f "$f" ] || r=1
    cat <"$f" >"$i" 2>/dev/null || i=none
  else
    i=
  fi
}
`
}

// restoreInput parses the options of iptables-restore(8), which getopt_long
// takes in any order, and joined. The restore of arptables looks at no argument, that of
// ebtables takes no file.
func restoreInput(name string, multi bool) string {
	text := `p= c=0
for a do
  c=$((c+1))
SKIP  case $p in
  v) p=; continue ;;
  w) p=; case $a in -?*|!) ;; *) continue ;; esac ;;
  e) a=./$a ;;
  esac
  case $a in
  --) p=e ;;
  --*=*|--wait-*) case $a in --h*|--vers*) x=1 ;; esac ;;
  --wait*) p=w ;;
  --ta*|--m*) p=v ;;
  --c*|--verb*|--te*|--n*|--ipv[46]) ;;
  --*) x=1 ;;
  -?*)
    o=${a#-}
    while [ -n "$o" ]; do
      case $o in
      [bcvtn46]*) o=${o#?} ;;
      [wW]) p=w o= ;;
      [TM]) p=v o= ;;
      [wWTM]*) o= ;;
      *) x=1 o= ;;
      esac
    done ;;
  *)
    [ $m = 0 ] || x=1
    case $p in e) a=${a#./} ;; esac
    m=$c f=$a ;;
  esac
done
`
	skip := ""
	if multi {
		skip = "  [ $c -gt 1 ] || continue\n"
	}
	text = strings.Replace(text, "SKIP", skip, 1)
	const end = `[ -n "$x" ] || keep
`
	switch {
	case multi:
		return "case ${1-} in\narptables*-restore) keep ;;\n*tables-restore|*-nft-restore|*-legacy-restore)\n" + text +
			"case $1 in ebtables*) m=0 ;; esac\n" + end + ";;\nesac\n"
	case strings.HasPrefix(name, "arptables"):
		return "keep\n"
	case strings.HasPrefix(name, "ebtables"):
		return text + "m=0\n" + end
	}
	return text + end
}

// setInput finds what "ipset restore" reads: ipset(8), -file.
const setInput = `p= c=0 x=1
for a do
  c=$((c+1))
  case $p in v) p= m=$c f=$a; continue ;; esac
  case $a in
  -f|-file|--file) p=v ;;
  restore|-R|--restore) x= ;;
  esac
done
[ -n "$x" ] || keep
`

// restoreAgain restores in pieces what the kernel does not take in one
// message from a user namespace: see netfilter.Load. The script sees the same
// end as on a host, where the tool may enlarge its buffer.
const restoreAgain = `piece() {
  if [ -n "$b" ] || [ "$n" = "" ]; then
    printf '%s\n%sCOMMIT\n' "$t" "$b" >"$j" || return
    if [ -n "$n" ]; then tool "$@" "$n"; else tool "$@"; fi || return
  fi
  b= k=0 n=--noflush
}
pieces() {
  # Without the name of the file.
  c=0
  for a do
    c=$((c+1))
    [ $c -gt 1 ] || set --
    [ $c = $m ] || set -- "$@" "$a"
  done
  w=$i j=$i,piece m=0 r= i=$i,piece
  t= b= k=0 n=
  while IFS= read -r l; do
    case $l in
    '#'*|'') ;;
    '*'*) t=$l b= k=0 n= ;;
    COMMIT*) piece "$@" || return ;;
    *) b="$b$l
"; k=$((k+1)); [ $k -lt 400 ] || piece "$@" || return ;;
    esac
  done <"$w"
}
case $e in *'Message too long'*)
  if [ -n "$i" ]; then { e=$(pieces "$@" 2>&1 >&3 3>&-) && s=0 || s=$?; } 3>&1; fi
esac
`
