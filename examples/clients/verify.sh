#!/bin/sh
# Asks tollgate about a request: POST /auth/v1/verify, over TCP or a Unix socket. Needs curl 7.55.
#
#     printf %s "$KEY" | TOLLGATE_TOKEN=tgs_… examples/clients/verify.sh METHOD PATH [IP]
#
# The key comes on stdin; nothing there: no credential. TOLLGATE is http://127.0.0.1:8080, or unix:/run/tollgate.sock.
# Prints what the caller should be told. Exit code 0: it passes; 1: it is refused; 2: nobody can tell, so it is refused too.
set -eu
export LC_ALL=C

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
  echo 'usage: printf %s "$KEY" | verify.sh METHOD PATH [IP]' >&2
  exit 2
fi
if [ -z "${TOLLGATE_TOKEN:-}" ]; then
  echo 'set TOLLGATE_TOKEN: tollgate token create --quiet --scope verify' >&2
  exit 2
fi

# A text as JSON writes it.
json() {
  printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"
}

key=$(cat)
ask="{\"method\":$(json "$1"),\"path\":$(json "$2")"
[ -z "$key" ] || ask="$ask,\"key\":$(json "$key")"
[ $# -lt 3 ] || ask="$ask,\"ip\":$(json "$3")"

case ${TOLLGATE:=http://127.0.0.1:8080} in
  unix:*) set -- --unix-socket "${TOLLGATE#unix:}" http://localhost/auth/v1/verify ;;
  *) set -- "$TOLLGATE/auth/v1/verify" ;;
esac

# Key and token go in by pipes: what is an argument, every user of the machine can read. No .curlrc and no proxy, either.
verdict=$(
  curl --disable --noproxy '*' --silent --show-error --fail --max-time 5 --write-out '%{http_code}' \
    --header 'Content-Type: application/json' --header @/dev/fd/3 --data-binary @- "$@" 3<<TOKEN <<ASK
Authorization: Bearer $TOLLGATE_TOKEN
TOKEN
$ask}
ASK
) || exit 2

case $verdict in
  '{"valid":true,'*'}200') exit 0 ;;
  '{"valid":false,'*'}200') ;;
  *)
    echo 'what answered is not tollgate' >&2
    exit 2
    ;;
esac

# The body is the last text of the verdict. Escaped in it are \" and what printf knows.
body=$(printf %s "$verdict" | sed -n 's/.*"body":"\(.*\)"}}200$/\1/p' | sed 's/\\"/"/g')
printf '%b\n' "$body"
exit 1
