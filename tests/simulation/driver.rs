//! Runs workers step by step in the world, with something going wrong between any two steps.

use crate::check;
use crate::log::{FakeLog, Upstream};
use crate::rng::Rng;
use crate::sabotage::Sabotage;
use crate::store::{FakeMerging, FakeStore};
use crate::world::{
    CLOCK_SKEW_MS, DEDUP_RECORDS, FakeClock, GUARD_MS, InstanceId, LENGTH_MS, Mutant, START_MS, Shared, World,
};
use sessiongate::core::ids::Channel;
use sessiongate::core::policy::{ChannelPolicy, Policy};
use sessiongate::core::time::Span;
use sessiongate::core::window::WindowRules;
use sessiongate::ports::Clock;
use sessiongate::shard::ahead::Ahead;
use sessiongate::shard::codec::Codec;
use sessiongate::shard::engine::Engine;
use sessiongate::shard::engine::rules::{Partitioning, Rules};
use sessiongate::shard::engine::step::{Input, Step};
use sessiongate::shard::hands::{Hands, Performed};
use sessiongate::shard::merging::Merging;
use sessiongate::shard::neighbours::{Neighbourhood, Neighbours};
use sessiongate::wire::output::{Encoder, Topics};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

type FakeHands = Hands<FakeLog, FakeStore, FakeClock>;

pub struct Worker {
    instance: InstanceId,
    slot: usize,
    pub engine: Engine,
    pub hands: FakeHands,
    asleep_until: i64,
    pub sabotage: Sabotage,
    /// Whether every step is printed.
    tells: bool,
}

pub struct Simulation {
    pub world: Shared,
    workers: Vec<Worker>,
    next_instance: InstanceId,
    slots: usize,
    mutant: Option<Mutant>,
    /// In half of the worlds all workers tell each other what they have applied, as shards of one process do.
    neighbourhood: Option<Arc<Neighbourhood>>,
}

fn rules(world: &World, mutant: Option<Mutant>) -> Rules {
    let guard = if mutant == Some(Mutant::GuardIgnored) { 0 } else { GUARD_MS };
    let window = WindowRules { length: Span::from_millis(LENGTH_MS), guard: Span::from_millis(guard) };
    Rules {
        policy: Policy::new([(Channel::new("whatsapp"), ChannelPolicy::new(window))]),
        partitioning: if world.co_partitioned { Partitioning::CoPartitioned } else { Partitioning::Any },
        max_wait: Span::from_millis(1_500),
        commit_interval: Span::from_millis(20),
        longest_transaction: Span::from_millis(60),
        max_transaction_records: 40,
        gathered_windows: 4,
        gathered_at_first: 2,
        windows_per_call: 2,
        gathers_for: Span::from_millis(300),
        dedup_records: DEDUP_RECORDS,
        reapply_margin: Span::from_millis(2_000),
        emit_refreshed: false,
        delivery_status: world.heeds_refusals,
        template_status: true,
        accept_missing_offsets: false,
        history_is_kept: true,
        seen_windows: 4,
        batch_records: 8,
        lane_bytes: 20_000,
    }
}

fn codec(policy: Policy) -> Codec {
    Codec::new(policy, Encoder::new(Topics::default(), "sessiongate", "sessiongate", 1_000_000))
}

impl Simulation {
    pub fn new(seed: u64, mutant: Option<Mutant>) -> Simulation {
        let mut world = World::new(seed, mutant);
        let slots = 1 + world.rng.below(3) as usize;
        let world = Rc::new(RefCell::new(world));
        let tell_each_other = mutant == Some(Mutant::NeighboursTellHalf) || Rng::new(!seed).permille(500);
        let neighbourhood = tell_each_other.then(Arc::default);
        let mut simulation = Simulation { world, workers: Vec::new(), next_instance: 1, slots, mutant, neighbourhood };
        (0..slots).for_each(|slot| simulation.start(slot));
        simulation
    }

    fn start(&mut self, slot: usize) {
        let instance = self.next_instance;
        self.next_instance += 1;
        // Some have a name of their own and come back under it, some have a new one each time.
        let named = slot == 0;
        let id = if named { format!("worker-{slot}") } else { format!("random-{instance}") };
        let (rules, skew_ms) = {
            let mut world = self.world.borrow_mut();
            // Most clocks are nearly right. A wrong one must do no harm to the verdicts of others.
            let most = if world.faults && world.rng.permille(100) { 2 * LENGTH_MS } else { CLOCK_SKEW_MS };
            let skew_ms = world.rng.between(-most, most);
            (rules(&world, self.mutant), skew_ms)
        };
        let hands = Hands {
            log: FakeLog::new(self.world.clone(), instance, id),
            store: FakeStore::new(self.world.clone()),
            clock: FakeClock { world: self.world.clone(), skew_ms },
            codec: codec(rules.policy.clone()),
            merging: self.merging(),
            neighbours: self.neighbourhood.as_ref().map(|neighbourhood| neighbourhood.join(Arc::new(|| {}))),
            tracer: None,
            ahead: Ahead::default(),
        };
        let (engine, sabotage) = (Engine::new(rules), Sabotage::new(self.mutant));
        let tells = std::env::var_os("SESSIONGATE_SIM_TRACE").is_some();
        self.workers.push(Worker { instance, slot, engine, hands, asleep_until: 0, sabotage, tells });
    }

    /// Half of the workers merge beside everything else, as real ones do; mutants are known by their order.
    fn merging(&self) -> Option<Box<dyn Merging>> {
        let is_beside = self.mutant.is_none() && self.world.borrow_mut().rng.permille(500);
        is_beside.then(|| Box::new(FakeMerging::new(self.world.clone())) as Box<dyn Merging>)
    }

    /// kill -9: what was in memory is gone, and so is its place in the group, now or after a time-out.
    fn kill(&mut self, index: usize) {
        let Worker { instance, slot, .. } = self.workers.remove(index);
        let mut world = self.world.borrow_mut();
        if world.rng.permille(500) {
            world.evict(instance);
        }
        drop(world);
        self.start(slot);
    }

    /// A while of writing, working and breaking; then all is mended and must come to rest.
    pub fn run(&mut self) -> Result<(), String> {
        let steps = 500 + self.world.borrow_mut().rng.below(900);
        for step in 0..steps {
            self.turn()?;
            if step % 25 == 0 {
                check::frontiers_hold(&self.world.borrow())?;
            }
        }
        self.heal();
        self.come_to_rest()
    }

    /// The same without anything going wrong.
    pub fn run_calmly(&mut self) -> Result<(), String> {
        self.world.borrow_mut().faults = false;
        for worker in &mut self.workers {
            worker.hands.clock.skew_ms = worker.hands.clock.skew_ms.clamp(-CLOCK_SKEW_MS, CLOCK_SKEW_MS);
        }
        for _ in 0..800 {
            self.write(140, 120);
            self.turn()?;
        }
        self.come_to_rest()?;
        check::every_negative_is_proven(&self.world.borrow())
    }

    fn come_to_rest(&mut self) -> Result<(), String> {
        for step in 0..20_000 {
            self.turn()?;
            if step % 50 == 0 && check::is_settled(&self.world.borrow()) {
                break;
            }
        }
        check::outcome(&self.world.borrow())
    }

    /// People write, in so many of a thousand turns.
    fn write(&mut self, say_permille: u64, ask_permille: u64) {
        let mut world = self.world.borrow_mut();
        if world.rng.permille(say_permille) {
            world.say();
        }
        if world.rng.permille(ask_permille) {
            world.ask();
        }
        if world.faults && world.rng.permille(15) {
            world.refuse();
        }
    }

    fn heal(&mut self) {
        let mut world = self.world.borrow_mut();
        world.faults = false;
        world.redis.out_of_memory = false;
        world.redis_skew = world.redis_skew.clamp(-100, 100);
        for id in 0..world.upstream.len() {
            if world.upstream[id] == Upstream::Open {
                world.end_upstream(id, Upstream::Committed);
            }
        }
        drop(world);
        self.workers.iter_mut().for_each(|worker| worker.asleep_until = 0);
    }

    fn turn(&mut self) -> Result<(), String> {
        if self.world.borrow().faults {
            self.disturb();
        }
        let (index, killed) = {
            let mut world = self.world.borrow_mut();
            let ms = world.rng.between(0, 4);
            world.pass_time(ms);
            world.coordinate();
            world.expire_downstream();
            let index = world.rng.below(self.workers.len() as u64) as usize;
            (index, world.faults && world.rng.permille(4))
        };
        if killed {
            self.kill(index);
            return Ok(());
        }
        if self.workers[index].asleep_until > self.world.borrow().now {
            return Ok(());
        }
        if !self.workers[index].step(self.mutant) {
            self.kill(index);
        }
        Ok(())
    }

    fn disturb(&mut self) {
        self.write(140, 120);
        let mut world = self.world.borrow_mut();
        if world.rng.permille(60) {
            world.end_some_upstream();
        }
        if world.rng.permille(4) {
            world.redis.flush();
        }
        if world.rng.permille(8) {
            let to = world.redis.earlier.len() as u64;
            let to = world.rng.below(to) as usize;
            world.redis.roll_back(to);
        }
        if world.rng.permille(5) {
            world.redis.out_of_memory = !world.redis.out_of_memory;
        }
        if world.rng.permille(4) {
            world.redis.away_until = world.now + world.rng.between(5, 400);
        }
        if world.redis_clock_steps && world.rng.permille(5) {
            world.redis_skew = world.rng.between(-3 * GUARD_MS, GUARD_MS - 100);
            world.pass_time(0);
        }
        if world.rng.permille(10) {
            world.truncate();
        }
        if world.rng.permille(3) {
            world.purge();
        }
        if world.rng.permille(1) {
            world.make_inbound_anew();
        }
        if world.rng.permille(1) {
            world.add_partition();
        }
        if world.rng.permille(6) {
            let ms = world.rng.between(50, 3_000);
            world.pass_time(ms);
        }
        if world.rng.permille(6) && !self.workers.is_empty() {
            let index = world.rng.below(self.workers.len() as u64) as usize;
            self.workers[index].asleep_until = world.now + world.rng.between(10, 1_500);
        }
        let grows = world.rng.permille(2) && self.workers.len() < 3;
        drop(world);
        if grows {
            self.slots += 1;
            self.start(self.slots);
        }
    }
}

impl Worker {
    /// One step; false when this worker is of no more use.
    fn step(&mut self, mutant: Option<Mutant>) -> bool {
        if let Some(goes_on) = mutant.and_then(|mutant| self.other_half(mutant)) {
            return goes_on;
        }
        let step = self.engine.step(self.hands.clock.now());
        match mutant {
            Some(mutant) => self.step_sabotaged(mutant, step),
            None => self.perform(step),
        }
    }

    pub fn perform(&mut self, step: Step) -> bool {
        let idle_ms = match &step {
            Step::Poll(take) => take.wait_ms.min(20),
            _ => 0,
        };
        let told = self.tells.then(|| {
            let now = self.hands.store.world.borrow().now - START_MS;
            format!("{now:>6} {} {}", self.instance, brief(&format!("{step:?}")))
        });
        let performed = self.hands.perform(step);
        if let Some(told) = told.filter(|_| !is_dull(&performed)) {
            println!("{told}\n         -> {}", brief(&format!("{performed:?}")));
        }
        match performed {
            Performed::Answer(input) | Performed::Partly(input, _) | Performed::Unavailable(input, _) => {
                if matches!(&input, Input::Polled(batch) if batch.inbound.is_empty() && batch.intents.is_empty()) {
                    self.hands.store.world.borrow_mut().pass_time(idle_ms / 4);
                }
                self.feed(input);
                true
            }
            Performed::Broken(_) | Performed::Left(_) => false,
        }
    }

    pub fn feed(&mut self, mut input: Input) {
        if let (Input::Read(reading), Some(_)) = (&mut input, &self.hands.neighbours) {
            self.hands.store.world.borrow_mut().tell_again(&mut reading.others);
        }
        let input = self.sabotage.see(input);
        let neighbours = self.hands.neighbours.as_ref().filter(|_| Neighbours::care_for(&input));
        self.engine.feed(input, self.hands.clock.now());
        if let Some(neighbours) = neighbours {
            neighbours.tell(&self.engine);
        }
        self.engine.take_notices();
    }
}

fn is_dull(performed: &Performed) -> bool {
    let Performed::Answer(Input::Polled(batch)) = performed else { return false };
    batch.inbound.is_empty() && batch.intents.is_empty() && batch.ends.is_empty() && batch.assignment.is_none()
}

/// A step on one line: without what every line holds.
fn brief(text: &str) -> String {
    let mut text = text.to_owned();
    for (long, short) in [
        ("StreamPartition { stream: Inbound, partition: Partition(", "inbound("),
        ("StreamPartition { stream: Intent, partition: Partition(", "intent("),
        ("Partition(", "("),
        ("Offset(", "("),
        ("Timestamp(18000", "("),
        ("reaches_back_to: (-62167219200000), ", ""),
        ("WindowKey(\"whatsapp:106:", "(\""),
        ("truncated_at: None", ""),
    ] {
        text = text.replace(long, short);
    }
    while let Some(at) = text.find("value: Some(b\"") {
        let end = text[at..].find("headers: [").map_or(text.len(), |end| at + end);
        text.replace_range(at..end, "");
    }
    text.truncate(900);
    text
}
