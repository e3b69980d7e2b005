#!/usr/bin/env bash
# Runs `glimt launch` over N pretended machines: network namespaces of this one, joined by a bridge, whose links have a
# rate, a delay and a loss. `ssh` is `ip netns exec` there. Nothing is left behind. Needs root; --delay and --loss need a
# kernel with netem, --rate one with tbf.
#   sudo scripts/netns_launch.sh --machines 2 [--rate MBIT] [--delay MS] [--loss PERCENT] -- run models/demo "Hello"
#   --cut RANK:SECONDS    takes the link of a rank away so long after the start
# Delay, rate and loss are those of what a machine sends: a round trip takes two delays.
# environment: GLIMT (default build/glimt), LAUNCH (options of `glimt launch`, e.g. "--grace 5")
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
machines=2 rate='' delay='' loss='' cut=''
usage() { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    --machines) machines=${2:?}; shift 2 ;;
    --rate) rate=${2:?}; shift 2 ;;
    --delay) delay=${2:?}; shift 2 ;;
    --loss) loss=${2:?}; shift 2 ;;
    --cut) cut=${2:?}; shift 2 ;;
    --) shift; break ;;
    *) usage ;;
  esac
done
if [ $# -eq 0 ] || [[ ! $machines =~ ^[1-9][0-9]?$ ]] || [[ ! ${cut:-0:0} =~ ^[0-9]+:[0-9.]+$ ]]; then usage; fi
[ "$(id -u)" -eq 0 ] || { echo "netns_launch.sh: network namespaces need root" >&2; exit 2; }

name=glimt$$
folder=$(mktemp -d)
cutter=''
# shellcheck disable=SC2317  # the trap calls it
cleanup() {
  [ -z "$cutter" ] || kill "$cutter" 2> /dev/null || true
  for ((rank = 0; rank < machines; rank++)); do ip netns del "$name-$rank" 2> /dev/null || true; done
  ip link del "br$$" 2> /dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT

# shape NAMESPACE DEVICE: netem first, as it holds packets back; the rate behind it.
shape() {
  local parent=root
  if [ -n "$delay$loss" ]; then
    ip netns exec "$1" tc qdisc add dev "$2" root handle 1: netem ${delay:+delay "${delay}ms"} ${loss:+loss "$loss%"} limit 10000 \
      || { echo "netns_launch.sh: this kernel has no netem, which --delay and --loss need" >&2; exit 2; }
    parent='parent 1:'
  fi
  # shellcheck disable=SC2086  # parent is two words
  [ -z "$rate" ] || ip netns exec "$1" tc qdisc add dev "$2" $parent tbf rate "${rate}mbit" burst 64kbit latency 200ms
}

ip link add "br$$" type bridge
ip link set "br$$" up
hosts=''
for ((rank = 0; rank < machines; rank++)); do
  ip netns add "$name-$rank"
  ip link add "v$$-$rank" type veth peer name eth0 netns "$name-$rank"
  ip link set "v$$-$rank" master "br$$" up
  ip -n "$name-$rank" link set lo up
  ip -n "$name-$rank" addr add "10.213.0.$((rank + 1))/24" dev eth0
  ip -n "$name-$rank" link set eth0 up
  shape "$name-$rank" eth0
  ssh=$name-$rank
  [ "$rank" -gt 0 ] || ssh=127.0.0.1
  hosts+="${hosts:+, }{\"ssh\": \"$ssh\", \"ips\": [\"10.213.0.$((rank + 1))\"]}"
done
echo "[$hosts]" > "$folder/hosts.json"

# The last two arguments of ssh are the host and the command. The program there sees the end of its input and no signal.
cat > "$folder/ssh" << 'SSH'
#!/bin/bash
exec 3<&0
{ ip netns exec "${@: -2:1}" sh -c "${*: -1}" <&3 & } && wait $!
SSH
chmod +x "$folder/ssh"

if [ -n "$cut" ]; then
  (exec > /dev/null 2>&1; sleep "${cut#*:}" & trap 'kill $!' TERM; wait $! && ip link set "v$$-${cut%%:*}" down) &
  cutter=$!
fi
status=0
# shellcheck disable=SC2086  # LAUNCH is words
PATH=$folder:$PATH ip netns exec "$name-0" "${GLIMT:-build/glimt}" launch --hostfile "$folder/hosts.json" ${LAUNCH:-} -- "$@" || status=$?
exit $status
