#!/usr/bin/env bash
# A real Kafka and a real Redis on a machine without a container engine.
#
#   services.sh install              fetch Kafka, make sure that Redis is there (idempotent, safe in parallel)
#   services.sh up                   start both on 127.0.0.1 and leave them running
#   services.sh down [--wipe]        stop what `up` started; --wipe deletes its data too
#   services.sh run -- COMMAND...    start both on free ports, run COMMAND against them, stop both
#
# KAFKA_PORT (9092) and REDIS_PORT (6379) are the ports of `up`. KAFKA_GC (-XX:+UseSerialGC) is the collector of Kafka's
# JVM: the default takes little memory, and stops Kafka for 20 to 30 ms once a second under load.
# SESSIONGATE_SERVICES_DIR (target/services) holds the jars and the data. `run` tells COMMAND where the services are in
# SESSIONGATE_TEST_BROKERS, SESSIONGATE_TEST_REDIS_URL, SESSIONGATE_TEST_KAFKA_LIBS and SESSIONGATE_TEST_REDIS_SERVER, and
# their process ids in SESSIONGATE_TEST_KAFKA_PID and SESSIONGATE_TEST_REDIS_PID.
set -euo pipefail

scripts_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo_dir=$(dirname "$scripts_dir")
services_dir=${SESSIONGATE_SERVICES_DIR:-$repo_dir/target/services}
mkdir -p "$services_dir"
services_dir=$(cd "$services_dir" && pwd)
libs_dir=$services_dir/kafka/libs
start_timeout_s=60

say() { printf '%s\n' "$*"; }
fail() {
  printf '\n!! %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '!!   %s\n' "$line" >&2; done
  exit 1
}

# --- install ---------------------------------------------------------------------------------------------------

install_services() {
  command -v flock >/dev/null || fail "flock is missing." "remedy: apt-get install util-linux"
  (
    # Callers in parallel wait here for the first one, then find everything in place.
    flock 9
    install_redis
    install_kafka
  ) 9>"$services_dir/install.lock"
}

install_redis() {
  if command -v redis-server >/dev/null && command -v redis-cli >/dev/null; then return; fi
  local remedy='remedy: as root, apt-get install redis-server (version 7.0 or newer)'
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    fail "redis-server or redis-cli is missing, and this user cannot install it." "$remedy"
  fi
  say "installing redis-server with apt-get"
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=120)
  # A list that could not be refreshed may still be good enough; the installation itself decides.
  if ! { "${apt[@]}" update || true; "${apt[@]}" install --no-install-recommends redis-server; } \
    >"$services_dir/apt.log" 2>&1 </dev/null || ! command -v redis-server >/dev/null || ! command -v redis-cli >/dev/null; then
    tail -n 20 "$services_dir/apt.log" >&2
    fail "apt-get could not install redis-server (the end of its output is above)." "$remedy"
  fi
}

install_kafka() {
  local pom=$scripts_dir/kafka-pom.xml stamp=$libs_dir/.installed-from
  need_java
  if [ -f "$stamp" ] && cmp -s "$pom" "$stamp"; then return; fi
  command -v mvn >/dev/null || fail "Maven (mvn) is missing: it fetches Kafka." "remedy: as root, apt-get install maven"
  say "fetching Kafka into $libs_dir"
  local fresh=$services_dir/kafka/libs.fresh
  rm -rf "$fresh"
  mvn -B -q -f "$pom" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$fresh" </dev/null ||
    fail "Maven could not fetch Kafka (its output is above)." \
      "remedy: give this machine access to Maven Central or a mirror of it (settings.xml), then try again"
  # The pom is the stamp: another version in it is another installation. It arrives last, together with the jars.
  cp "$pom" "$fresh/.installed-from"
  rm -rf "$libs_dir"
  mv "$fresh" "$libs_dir"
}

need_java() {
  local remedy='remedy: as root, apt-get install openjdk-17-jre-headless'
  command -v java >/dev/null || fail "Java is missing: Kafka needs version 17 or newer." "$remedy"
  local version
  version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  [ "${version:-0}" -ge 17 ] || fail "Java ${version:-of an unknown version} is too old: Kafka needs 17 or newer." "$remedy"
}

# --- one Kafka, one Redis: DIR holds everything of a service, DIR/pid says that we started it ----------------------

# Kafka answers when its metadata names a broker; an open port alone comes earlier.
kafka_answers() {
  local reply
  # Metadata v0, all topics. The reply: length, correlation id, number of brokers, each four bytes.
  # shellcheck disable=SC2016 # the inner shell expands it
  reply=$(timeout 2 bash -c '
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf "\0\0\0\016\0\003\0\0\0\0\0\001\377\377\0\0\0\0" >&3
    head -c 12 <&3 | od -An -tu1 -j8' _ "$1" 2>/dev/null) || return 1
  [ "$(tr -d ' \n' <<<"$reply")" = 0001 ]
}

redis_answers() { [ "$(timeout 2 redis-cli -h 127.0.0.1 -p "$1" ping 2>/dev/null)" = PONG ]; }

port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# When a process started, in clock ticks since boot; nothing when it is gone or waits to be reaped.
started_at() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  # The name of the program, in parentheses, may hold spaces: count from behind it.
  read -ra stat <<<"${stat##*) }"
  [ "${stat[0]}" = Z ] || printf '%s\n' "${stat[19]}"
}

# Process ids are used again, so the time of the start belongs to the proof.
is_running() {
  local dir=$1 pid now
  pid=$(cat "$dir/pid" 2>/dev/null) || return 1
  now=$(started_at "$pid")
  [ -n "$now" ] && [ "$now" = "$(cat "$dir/started_at")" ]
}

# start_detached DIR COMMAND...: in a session of its own, so that neither a closing terminal nor Ctrl-C reaches it.
start_detached() {
  local dir=$1
  shift
  setsid nohup "$@" </dev/null >"$dir/output.log" 2>&1 &
  started_at "$!" >"$dir/started_at"
  printf '%s\n' "$!" >"$dir/pid"
}

# start_kafka DIR PORT CONTROLLER_PORT LAUNCHER...
start_kafka() {
  local dir=$1 port=$2 controller_port=$3
  shift 3
  mkdir -p "$dir"
  printf '%s\n' "$port" >"$dir/port"
  kafka_properties "$dir" "$port" "$controller_port" >"$dir/server.properties"
  local java=(java -Xmx768m -Xms256m "${KAFKA_GC:--XX:+UseSerialGC}" -XX:+ExitOnOutOfMemoryError -cp "$libs_dir/*"
    "-Dlog4j2.configurationFile=$scripts_dir/kafka-log4j2.properties" "-Dkafka.logs.dir=$dir")
  if [ ! -f "$dir/data/meta.properties" ]; then
    "${java[@]}" kafka.tools.StorageTool format --ignore-formatted -t c2Vzc2lvbmdhdGUtLS0tLQ \
      -c "$dir/server.properties" >"$dir/format.log" 2>&1 || {
      cat "$dir/format.log" >&2
      fail "Kafka's data folder could not be formatted (its output is above)." "remedy: $0 down --wipe"
    }
  fi
  start_detached "$dir" "$@" "${java[@]}" kafka.Kafka "$dir/server.properties"
}

kafka_properties() {
  cat <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$3
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3
advertised.listeners=PLAINTEXT://127.0.0.1:$2
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$1/data
auto.create.topics.enable=false
num.partitions=4
default.replication.factor=1
min.insync.replicas=1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# A test may ask for a short session, and a hung transaction ends soon after its time-out rather than 10 s later.
group.min.session.timeout.ms=500
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
# The default takes 128 MB of heap at start.
log.cleaner.dedupe.buffer.size=16777216
PROPERTIES
}

# start_redis DIR PORT LAUNCHER...
start_redis() {
  local dir=$1 port=$2
  shift 2
  mkdir -p "$dir"
  printf '%s\n' "$port" >"$dir/port"
  cat >"$dir/redis.conf" <<CONF
bind 127.0.0.1
port $port
dir $dir
save ""
appendonly no
maxmemory-policy noeviction
CONF
  start_detached "$dir" "$@" redis-server "$dir/redis.conf"
}

# wait_for NAME DIR PROBE
wait_for() {
  local name=$1 dir=$2 probe=$3 port deadline=$((SECONDS + start_timeout_s))
  port=$(cat "$dir/port")
  until "$probe" "$port"; do
    if ! is_running "$dir" || [ "$SECONDS" -ge "$deadline" ]; then
      tail -n 20 "$dir"/*.log >&2 || true
      fail "$name did not come up on 127.0.0.1:$port (the end of its output is above)." \
        "its files: $dir"
    fi
    sleep 0.1
  done
}

# stop NAME DIR: TERM, and KILL for what does not listen.
stop() {
  local name=$1 dir=$2 pid deadline=$((SECONDS + 20))
  if ! is_running "$dir"; then
    rm -f "$dir/pid"
    say "$name is not running"
    return
  fi
  pid=$(cat "$dir/pid")
  kill -TERM "$pid" 2>/dev/null || true
  while is_running "$dir"; do
    [ "$SECONDS" -lt "$deadline" ] || kill -KILL "$pid" 2>/dev/null || true
    sleep 0.1
  done
  rm -f "$dir/pid"
  say "$name stopped (pid $pid)"
}

# --- up and down -----------------------------------------------------------------------------------------------

up() {
  local kafka_port=${KAFKA_PORT:-9092} redis_port=${REDIS_PORT:-6379}
  local kafka_dir=$services_dir/up/kafka redis_dir=$services_dir/up/redis
  install_services
  (
    flock 9
    # Both ports are looked at before either service starts: a refused `up` leaves nothing behind.
    is_running "$kafka_dir" || need_free_port Kafka KAFKA_PORT "$kafka_port"
    is_running "$redis_dir" || need_free_port Redis REDIS_PORT "$redis_port"
    if is_running "$kafka_dir"; then
      say "Kafka is already running (pid $(cat "$kafka_dir/pid"))"
    else
      start_kafka "$kafka_dir" "$kafka_port" "$(free_ports 1)" 9>&-
    fi
    if is_running "$redis_dir"; then
      say "Redis is already running (pid $(cat "$redis_dir/pid"))"
    else
      start_redis "$redis_dir" "$redis_port" 9>&-
    fi
  ) 9>"$services_dir/up.lock"
  wait_for Redis "$redis_dir" redis_answers
  wait_for Kafka "$kafka_dir" kafka_answers
  say "Kafka: 127.0.0.1:$(cat "$kafka_dir/port")"
  say "Redis: redis://127.0.0.1:$(cat "$redis_dir/port")"
}

need_free_port() {
  local name=$1 variable=$2 port=$3
  if port_is_taken "$port"; then
    fail "$name cannot start: somebody else listens on 127.0.0.1:$port." \
      "remedy: stop that process (ss -ltnp 'sport = :$port' names it), or choose another port: $variable=PORT $0 up"
  fi
}

down() {
  local wipe=${1:-}
  [ -z "$wipe" ] || [ "$wipe" = --wipe ] || usage
  (
    flock 9
    stop Kafka "$services_dir/up/kafka"
    stop Redis "$services_dir/up/redis"
    if [ "$wipe" = --wipe ]; then
      rm -rf "$services_dir/up"
      say "data deleted"
    fi
  ) 9>"$services_dir/up.lock"
}

# --- run -------------------------------------------------------------------------------------------------------

# Below the ports that the kernel gives to outgoing connections, at random, so that two callers rarely meet.
free_ports() {
  perl -MIO::Socket::INET -e '
    my @open;
    for (1 .. 1000) {
      last if @open == $ARGV[0];
      my $socket = IO::Socket::INET->new(
        Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 10000 + int(rand(20000)), Proto => "tcp") or next;
      push @open, $socket;
    }
    die "no free port on 127.0.0.1\n" if @open < $ARGV[0];
    print join(" ", map { $_->sockport } @open), "\n";' "$1"
}

run_dir=
command_pid=

run() {
  [ "${1:-}" = -- ] || usage
  shift
  [ $# -gt 0 ] || usage
  install_services

  trap 'clean_up_run' EXIT
  trap 'interrupt_run 130' INT
  trap 'interrupt_run 143' TERM
  trap 'interrupt_run 129' HUP
  run_dir=$(mktemp -d "${TMPDIR:-/tmp}/sessiongate-services.XXXXXX")

  # Even when this script is killed without a chance to clean up, its services end with it.
  local launcher=()
  if command -v setpriv >/dev/null; then launcher=(setpriv --pdeathsig KILL); fi
  local kafka_port controller_port redis_port
  read -r kafka_port controller_port redis_port <<<"$(free_ports 3)"
  start_redis "$run_dir/redis" "$redis_port" "${launcher[@]}"
  start_kafka "$run_dir/kafka" "$kafka_port" "$controller_port" "${launcher[@]}"
  wait_for Redis "$run_dir/redis" redis_answers
  wait_for Kafka "$run_dir/kafka" kafka_answers

  export SESSIONGATE_TEST_BROKERS=127.0.0.1:$kafka_port
  export SESSIONGATE_TEST_REDIS_URL=redis://127.0.0.1:$redis_port
  SESSIONGATE_TEST_KAFKA_PID=$(cat "$run_dir/kafka/pid")
  SESSIONGATE_TEST_REDIS_PID=$(cat "$run_dir/redis/pid")
  export SESSIONGATE_TEST_KAFKA_PID SESSIONGATE_TEST_REDIS_PID
  export SESSIONGATE_TEST_KAFKA_LIBS=$libs_dir
  SESSIONGATE_TEST_REDIS_SERVER=$(command -v redis-server)
  export SESSIONGATE_TEST_REDIS_SERVER

  # A process group of its own: a signal to this script then ends the command with all its children. Such a group
  # would be stopped for reading the terminal.
  if [ -t 0 ]; then exec </dev/null; fi
  set -m
  "$@" &
  command_pid=$!
  set +m
  local status=0
  wait "$command_pid" || status=$?
  command_pid=
  report_the_dead
  exit "$status"
}

# A service that died under the command explains most of what the command says.
report_the_dead() {
  local name
  for name in kafka redis; do
    if ! is_running "$run_dir/$name"; then
      printf '\n!! %s died while the command ran; the end of its output:\n' "$name" >&2
      tail -n 20 "$run_dir/$name"/*.log >&2 || true
    fi
  done
}

interrupt_run() {
  trap '' INT TERM HUP
  if [ -n "$command_pid" ]; then
    kill -TERM -- "-$command_pid" 2>/dev/null || true
    wait "$command_pid" 2>/dev/null || true
  fi
  exit "$1"
}

# The data goes with the services, so there is nothing to shut down in order.
clean_up_run() {
  trap '' INT TERM HUP
  local name pid
  for name in kafka redis; do
    if is_running "$run_dir/$name"; then
      pid=$(cat "$run_dir/$name/pid")
      kill -KILL "$pid" 2>/dev/null || true
      wait "$pid" 2>/dev/null || true
    fi
  done
  [ -z "$run_dir" ] || rm -rf "$run_dir"
}

usage() {
  sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
  exit 64
}

case "${1:-}" in
install)
  install_services
  say "Kafka: $libs_dir"
  say "Redis: $(command -v redis-server)"
  ;;
up) up ;;
down) down "${2:-}" ;;
run)
  shift
  run "$@"
  ;;
*) usage ;;
esac
