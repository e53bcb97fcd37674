# Runs a server for as long as the process that wants it lives: that one holds the other end of our input.
# Arguments: the log, a folder to remove if that process ends without a word (or ''), the server's command line.
# A process group that loses its parent and has a stopped member is hung up by the system.
trap '' HUP
log=$1 folder=$2
shift 2
exec 3<&0
"$@" </dev/null >>"$log" 2>&1 3<&- &
server=$!
# A line says that the server was ended on purpose. The end of the input says that nobody wants it any more.
(read -r _ <&3 || { kill -9 $server; [ -z "$folder" ] || rm -rf -- "$folder"; }) >/dev/null 2>&1 &
echo $server
wait $server
