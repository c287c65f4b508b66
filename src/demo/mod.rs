//! The demo: the real worker, on brokers and a store inside this process, with traffic made up for it.
//!
//! What is shown is what a reader downstream sees: nothing here looks into the worker.

mod cast;
mod invite;
mod line;
mod observation;
mod picture;
mod players;
mod render;
mod screen;
mod stage;
mod summary;
mod traffic;

use crate::app::Ended;
use crate::cli::args::DemoArguments;
use crate::core::time::Timestamp;
use crate::io::clock::SystemClock;
use crate::ports::Clock;
use anyhow::{Context, bail};
use observation::Observation;
use picture::{Picture, Told};
use players::Player;
use screen::Screen;
use stage::Stage;
use std::future::pending;
use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

/// The picture is drawn anew so often.
const DRAW_EVERY: Duration = Duration::from_millis(200);
/// Without a picture, the counts are told so often.
const SUMMARY_EVERY: Duration = Duration::from_secs(5);
/// A worker that has not begun by then never will.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// What is in flight has so long to be committed: whoever ends a demo does not want to wait.
const STOP_WITHIN: Duration = Duration::from_millis(500);

/// Runs it. Answers with the exit code: 1 when the worker ended by itself.
pub fn run(arguments: &DemoArguments) -> u8 {
    match perform(arguments) {
        Ok(()) => 0,
        // Whoever reads has enough, as in `demo | head`.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(is_broken_pipe) => 0,
        Err(error) => {
            eprintln!("sessiongate: {error:#}");
            1
        }
    }
}

/// What the demo logs when `asked` is what was asked for: it tells a story of its own, and of the worker's only what
/// is not well. The picture has no place even for that, unless standard error goes elsewhere.
pub fn log_filter<'a>(arguments: &DemoArguments, asked: &'a str) -> &'a str {
    match asked {
        _ if is_moving(arguments) && io::stderr().is_terminal() => "off",
        "info" => "warn",
        _ => asked,
    }
}

fn is_moving(arguments: &DemoArguments) -> bool {
    !arguments.plain && screen::is_there()
}

fn perform(arguments: &DemoArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut show = Show::open(is_moving(arguments)).await?;
        if !arguments.no_browser {
            show.open_browser();
        }
        let played = show.play(arguments.duration).await;
        // The terminal is given back at once, and before the last words.
        if let View::Picture(_) = show.view {
            show.view = View::Nowhere;
        }
        let has_left = show.leave().await;
        let Show { picture, reader, stage, .. } = show;
        drop(reader);
        if played.is_ok() && has_left.is_ok() {
            writeln!(io::stdout(), "in all   {}", summary::counts(&picture.counts))?;
        }
        if matches!(has_left, Ok(false)) {
            stage.abandon();
        }
        played.and(has_left.map(|_| ()))
    })
}

/// Where it is shown.
enum View {
    Picture(Screen),
    Plain,
    Nowhere,
}

/// The demo while it goes on.
struct Show {
    view: View,
    picture: Picture,
    observations: UnboundedReceiver<Observation>,
    clock: SystemClock,
    interrupt: Signal,
    terminate: Signal,
    // In this order: whoever uses the brokers ends before they do.
    feeder: Option<Player>,
    reader: Player,
    stage: Stage,
}

impl Show {
    async fn open(moving: bool) -> anyhow::Result<Show> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let clock = SystemClock::new();
        let stage = Stage::open().await?;
        let (tell, observations) = mpsc::unbounded_channel();
        let reader = players::reader(&stage.venue, tell)?;
        let mut picture = Picture::new(&stage.venue.brokers, stage.length, stage.guard, clock.now().wall);
        picture.console = stage.console();
        let view = match moving {
            true => View::Picture(Screen::open().context("the terminal cannot be drawn on; try --plain")?),
            false => {
                writeln!(io::stdout(), "{}", summary::greeting(&picture))?;
                View::Plain
            }
        };
        Ok(Show { view, picture, observations, clock, interrupt, terminate, feeder: None, reader, stage })
    }

    /// Opens the console where there is somebody to look at it.
    fn open_browser(&self) {
        let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
        let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        if let Some(url) = self.picture.console.as_ref().filter(|_| has_display || cfg!(target_os = "macos")) {
            let quiet = (Stdio::null(), Stdio::null(), Stdio::null());
            // The address is on the screen too: whoever has no such program opens it by hand.
            let _ = Command::new(opener).arg(url).stdin(quiet.0).stdout(quiet.1).stderr(quiet.2).spawn();
        }
    }

    /// Stops the traffic and the worker, and takes in what is still on its way. Answers whether the worker has left
    /// in time.
    async fn leave(&mut self) -> anyhow::Result<bool> {
        self.feeder = None;
        self.stage.running.stop();
        let ended = timeout(STOP_WITHIN, self.stage.running.ended()).await;
        while let Ok(observation) = self.observations.try_recv() {
            self.see(observation)?;
        }
        match ended {
            Ok(Ended::Stopped) => Ok(true),
            Ok(Ended::Refused(why)) => bail!("the worker could not finish: {why}"),
            // What is in flight ends with the brokers that hold it.
            Err(_) => Ok(false),
        }
    }

    /// Goes on until somebody or the time ends it, or the worker ends by itself.
    async fn play(&mut self, duration: Option<Duration>) -> anyhow::Result<()> {
        let mut beat = interval(DRAW_EVERY);
        let mut summaries = interval(SUMMARY_EVERY);
        for interval in [&mut beat, &mut summaries] {
            interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        }
        // The first tick is at once, when there is nothing to sum up.
        summaries.tick().await;
        let ready_by = Instant::now() + READY_WITHIN;
        let mut over_at = None;
        loop {
            tokio::select! {
                Some(observation) = self.observations.recv() => self.see(observation)?,
                _ = beat.tick() => {
                    if self.is_asked_to_end()? {
                        return Ok(());
                    }
                    if !self.picture.ready && self.stage.is_ready() {
                        self.begin()?;
                        over_at = duration.map(|duration| Instant::now() + duration);
                    }
                    if !self.picture.ready && Instant::now() > ready_by {
                        bail!("the worker did not begin to read within {READY_WITHIN:?}");
                    }
                    self.let_time_pass()?;
                }
                _ = summaries.tick() => self.sum_up()?,
                ended = self.stage.running.ended() => bail!("the worker ended by itself: {}", explain(&ended)),
                () = until(over_at) => return Ok(()),
                _ = self.interrupt.recv() => return Ok(()),
                _ = self.terminate.recv() => return Ok(()),
            }
        }
    }

    /// Only now: what is written while the shards still join would be judged in one go.
    fn begin(&mut self) -> anyhow::Result<()> {
        self.picture.ready = true;
        self.feeder = Some(players::feeder(&self.stage.venue, self.stage.length, self.stage.guard)?);
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    fn see(&mut self, observation: Observation) -> io::Result<()> {
        let told = self.picture.observe(observation, self.now());
        self.say(&told)
    }

    fn let_time_pass(&mut self) -> io::Result<()> {
        let now = self.now();
        for told in self.picture.advance(now) {
            self.say(&told)?;
        }
        if let View::Picture(screen) = &mut self.view {
            let (width, height) = screen.size();
            screen.draw(&render::draw(&self.picture, now, width, height))?;
        }
        Ok(())
    }

    fn say(&self, told: &Told) -> io::Result<()> {
        match self.view {
            View::Picture(_) | View::Nowhere => Ok(()),
            View::Plain => writeln!(io::stdout(), "{}", summary::event(told)),
        }
    }

    fn sum_up(&self) -> io::Result<()> {
        match self.view {
            View::Picture(_) | View::Nowhere => Ok(()),
            View::Plain => writeln!(io::stdout(), "so far   {}", summary::counts(&self.picture.counts)),
        }
    }

    fn is_asked_to_end(&self) -> anyhow::Result<bool> {
        let View::Picture(screen) = &self.view else { return Ok(false) };
        if screen.has_panicked() {
            bail!("a thread broke");
        }
        Ok(screen.is_asked_to_end())
    }
}

fn explain(ended: &Ended) -> &str {
    match ended {
        Ended::Stopped => "nobody had asked it to stop",
        Ended::Refused(why) => why,
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}
