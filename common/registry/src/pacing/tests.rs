use proptest::prelude::*;

use super::*;

const NEVER: Duration = Duration::from_hours(24);

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// Sends one request, waiting for its turn. When it was sent.
fn send(pace: &mut Pace, mut now: Instant) -> Instant {
    let ticket = pace.join();
    loop {
        match pace.turn(ticket, now, now + NEVER) {
            Turn::Now => return now,
            Turn::Wait(wait) => now += wait,
            Turn::Late => panic!("there is a day"),
        }
    }
}

/// A pace after a host that was asked at this rate throttled.
fn throttled_at(rate: u32) -> (Pace, Instant) {
    let mut pace = Pace::default();
    let mut now = Instant::now();
    for _ in 0..10 * rate {
        now = send(&mut pace, now) + Duration::from_secs(1) / rate;
    }
    pace.throttled(now, now, None);
    (pace, now)
}

fn rate(pace: &Pace) -> f64 {
    pace.limit.as_ref().unwrap().rate
}

#[test]
fn a_host_that_never_throttled_is_never_waited_for() {
    let mut pace = Pace::default();
    let now = Instant::now();
    for _ in 0..10_000 {
        assert_eq!(send(&mut pace, now), now);
        pace.answered(now, now + millis(1));
    }
}

#[test]
fn a_throttling_answer_halves_the_rate_and_those_to_earlier_requests_tell_nothing_more() {
    let (mut pace, now) = throttled_at(100);
    assert!((45.0..55.0).contains(&rate(&pace)), "{}", rate(&pace));
    let before = rate(&pace);
    for _ in 0..1_000 {
        pace.throttled(now, now + millis(5), None);
    }
    assert!((rate(&pace) - before).abs() < 1e-9);
    let sent = send(&mut pace, now + millis(5));
    pace.throttled(sent, sent + millis(5), None);
    assert!((rate(&pace) - before / 2.0).abs() < 1e-9);
    for _ in 0..20 {
        let sent = send(&mut pace, sent + millis(10));
        pace.throttled(sent, sent + millis(1), None);
    }
    assert!(rate(&pace) >= LEAST, "it comes to no end");
}

#[test]
fn the_old_rate_is_reached_again_and_twice_of_it_forgets_the_limit() {
    let (mut pace, began) = throttled_at(100);
    let mut now = began;
    let mut old = None;
    while pace.limit.is_some() {
        now = send(&mut pace, now);
        pace.answered(now, now);
        if old.is_none() && pace.limit.as_ref().is_some_and(|limit| limit.rate >= 100.0) {
            old = Some(now - began);
        }
        assert!(now - began < Duration::from_mins(1));
    }
    let old = old.unwrap();
    assert!((8..14).contains(&old.as_secs()), "{old:?}");
}

#[test]
fn a_rate_that_is_not_used_does_not_rise() {
    let (mut pace, mut now) = throttled_at(100);
    now += Duration::from_secs(5);
    let before = rate(&pace);
    for _ in 0..100 {
        now = send(&mut pace, now + Duration::from_secs(1));
        pace.answered(now, now);
    }
    assert!((rate(&pace) - before).abs() < 1e-9);
}

#[test]
fn all_wait_as_long_as_one_was_told_to_and_no_longer_than_a_minute() {
    for (after, waited) in [(0, 0), (3, 3), (u64::MAX, 60)] {
        let mut pace = Pace::default();
        let now = Instant::now();
        pace.throttled(now, now, Some(Duration::from_secs(after)));
        let sent = send(&mut pace, now) - now;
        let waited = Duration::from_secs(waited);
        assert!(sent >= waited && sent < waited + millis(250), "{sent:?}");
    }
}

#[test]
fn a_turn_that_comes_too_late_is_not_waited_for() {
    let mut pace = Pace::default();
    let now = Instant::now();
    pace.answered(now, now + Duration::from_secs(1));
    pace.throttled(now, now, Some(Duration::from_secs(4)));
    let turn = |pace: &mut Pace, seconds| {
        let ticket = pace.join();
        let turn = pace.turn(ticket, now, now + Duration::from_secs(seconds));
        pace.leave(ticket);
        turn
    };
    // Four seconds until it may be sent, and one for the answer.
    assert_eq!(turn(&mut pace, 3), Turn::Late);
    assert_eq!(turn(&mut pace, 4), Turn::Late);
    assert_eq!(turn(&mut pace, 6), Turn::Wait(LOOK));
    assert!(pace.waiting.is_empty());
}

#[test]
fn whoever_gives_up_makes_room_for_those_behind() {
    let (mut pace, now) = throttled_at(100);
    let tickets: Vec<_> = (0..1_000).map(|_| pace.join()).collect();
    let last = pace.join();
    for ticket in tickets {
        pace.leave(ticket);
        pace.leave(ticket);
    }
    assert!(matches!(
        pace.turn(last, now, now + Duration::from_secs(1)),
        Turn::Wait(_)
    ));
    assert_eq!(
        pace.turn(last, now + millis(50), now + Duration::from_secs(1)),
        Turn::Now
    );
    assert!(pace.waiting.is_empty());
}

#[test]
fn a_wait_is_jittered_grows_and_is_never_too_long_for_what_is_left() {
    let minute = Duration::from_mins(1);
    let wait = |again: Again, attempt, left, random| again.wait(attempt, left, random);
    let throttled = Again::Throttled(None);
    let longest: Vec<_> = (1..7)
        .map(|attempt| wait(throttled, attempt, minute, 1.0))
        .collect();
    assert_eq!(
        longest,
        [250, 500, 1_000, 2_000, 4_000]
            .map(|wait| Some(millis(wait)))
            .into_iter()
            .chain([None])
            .collect::<Vec<_>>()
    );
    assert_eq!(wait(throttled, 5, minute, 0.0), Some(Duration::ZERO));
    assert_eq!(wait(Again::Failed, 2, minute, 1.0), Some(millis(500)));
    assert_eq!(wait(Again::Failed, 3, minute, 1.0), None);
    let told = Again::Throttled(Some(Duration::from_secs(2)));
    assert_eq!(wait(told, 1, minute, 0.0), Some(Duration::from_secs(2)));
    assert_eq!(wait(told, 1, minute, 1.0), Some(millis(2_250)));
    assert_eq!(wait(told, 1, millis(2_100), 1.0), Some(millis(2_100)));
    assert_eq!(wait(told, 1, millis(2_000), 0.0), None);
    assert_eq!(wait(throttled, 1, Duration::ZERO, 0.0), None);
    assert_eq!(
        wait(Again::Throttled(Some(Duration::MAX)), 1, minute, 0.0),
        None
    );
}

#[test]
fn what_is_sent_again_is_a_part_of_what_is_sent() {
    let count = |requests: u32, again| {
        let mut budget = Budget::default();
        (0..requests).for_each(|_| budget.earn());
        (0..1_000_000).take_while(|_| budget.pay(again)).count()
    };
    assert_eq!(count(0, Again::Failed), 10);
    assert_eq!(count(0, Again::Throttled(None)), 50);
    assert_eq!(count(1_000, Again::Failed), 410);
    assert_eq!(count(1_000, Again::Throttled(None)), 2_050);
    assert_eq!(
        count(1_000_000, Again::Failed),
        800,
        "good years save no reserve"
    );
}

/// A host that bears so many requests a second, and those that ask it at once, all of them within one time.
struct Storm {
    clients: usize,
    bears: f64,
    latency: Duration,
    time: Duration,
}

/// What became of them.
#[derive(Debug, Default)]
struct Calm {
    sent: usize,
    served: usize,
    took: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Done,
    Joins,
    Under { sent: Instant, throttled: bool },
    Waits(Ticket),
}

impl Storm {
    /// Each client joins the line, is served or throttled, and comes again after a jittered wait, as its budget allows.
    fn run(&self, seed: u64) -> Calm {
        let began = Instant::now();
        let mut pace = Pace::default();
        let mut budget = Budget::default();
        let mut tokens = (self.bears / 10.0, began);
        let mut random = seed;
        let mut calm = Calm::default();
        let mut clients = vec![(began, Stage::Joins, 0_u32); self.clients];
        (0..self.clients).for_each(|_| budget.earn());
        while let Some((now, stage, attempts)) = clients
            .iter_mut()
            .filter(|(_, stage, _)| !matches!(stage, Stage::Done))
            .min_by_key(|(when, ..)| *when)
        {
            let time = *now;
            let left = (began + self.time).saturating_duration_since(time);
            *stage = match *stage {
                Stage::Joins => Stage::Waits(pace.join()),
                Stage::Waits(ticket) => match pace.turn(ticket, time, began + self.time) {
                    Turn::Late => Stage::Done,
                    Turn::Wait(wait) => {
                        *now += wait;
                        Stage::Waits(ticket)
                    }
                    Turn::Now => {
                        *now += self.latency;
                        *attempts += 1;
                        calm.sent += 1;
                        let elapsed = (time - tokens.1).as_secs_f64();
                        tokens = (
                            (tokens.0 + elapsed * self.bears).min(self.bears / 10.0),
                            time,
                        );
                        let throttled = tokens.0 < 1.0;
                        if !throttled {
                            tokens.0 -= 1.0;
                        }
                        Stage::Under {
                            sent: time,
                            throttled,
                        }
                    }
                },
                Stage::Under {
                    sent,
                    throttled: false,
                } => {
                    pace.answered(sent, time);
                    calm.served += 1;
                    calm.took = calm.took.max(time - began);
                    Stage::Done
                }
                Stage::Under {
                    sent,
                    throttled: true,
                } => {
                    pace.throttled(sent, time, None);
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    let chance =
                        f64::from(u32::try_from(random >> 32).unwrap()) / f64::from(u32::MAX);
                    match Again::Throttled(None).wait(*attempts, left, chance) {
                        Some(wait) if budget.pay(Again::Throttled(None)) => {
                            *now += wait;
                            Stage::Joins
                        }
                        _ => Stage::Done,
                    }
                }
                Stage::Done => Stage::Done,
            };
        }
        calm
    }
}

#[test]
fn a_thousand_at_once_slow_down_together_and_all_are_served() {
    let storm = Storm {
        clients: 1_000,
        bears: 200.0,
        latency: millis(20),
        time: Duration::from_secs(30),
    };
    let calm = storm.run(7);
    assert_eq!(calm.served, 1_000, "{calm:?}");
    // The first meet a host that nobody knows yet; after them hardly any is sent in vain.
    assert!(calm.sent < 2_600, "{calm:?}");
    assert!(calm.took < Duration::from_secs(15), "{calm:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_window_sees_more_than_its_rate(
        first in 10_u32..300,
        steps in proptest::collection::vec((0_u64..40, 0_u8..10), 1..300),
    ) {
        let (mut pace, mut now) = throttled_at(first);
        let mut sends: Vec<(Instant, f64)> = Vec::new();
        for (pause, fate) in steps {
            now = send(&mut pace, now + millis(pause));
            let Some(limit) = &pace.limit else { break };
            sends.push((now, limit.rate));
            if fate == 0 {
                pace.throttled(now, now + millis(1), None);
            } else {
                pace.answered(now, now + millis(1));
            }
        }
        for (from, (start, _)) in sends.iter().enumerate() {
            let mut fastest = 0.0_f64;
            for (count, (end, rate)) in sends[from..].iter().enumerate() {
                fastest = fastest.max(*rate);
                let allowed = (*end - *start).as_secs_f64() * fastest + (fastest * BURST).max(1.0);
                prop_assert!(f64::from(u32::try_from(count).unwrap()) <= allowed + 1e-3);
            }
        }
    }

    #[test]
    fn all_in_the_line_come_to_their_turn_whoever_leaves_it(
        first in 10_u32..200,
        clients in 1_usize..100,
        leaves in proptest::collection::vec(any::<bool>(), 100),
    ) {
        let (mut pace, now) = throttled_at(first);
        let tickets: Vec<_> = (0..clients).map(|_| pace.join()).collect();
        let mut waiting: Vec<(Instant, Ticket)> = tickets.iter().map(|ticket| (now, *ticket)).collect();
        let mut turns = Vec::new();
        while let Some(next) = (0..waiting.len()).min_by_key(|next| waiting[*next]) {
            let (time, ticket) = waiting[next];
            prop_assert!(time < now + Duration::from_mins(1));
            if time > now && leaves[usize::try_from(ticket.0).unwrap() % leaves.len()] {
                pace.leave(ticket);
                waiting.remove(next);
                continue;
            }
            match pace.turn(ticket, time, now + NEVER) {
                Turn::Now => {
                    turns.push(ticket);
                    waiting.remove(next);
                }
                Turn::Wait(wait) => {
                    prop_assert!(!wait.is_zero());
                    waiting[next].0 += wait;
                }
                Turn::Late => prop_assert!(false, "there is a day"),
            }
        }
        prop_assert!(pace.waiting.is_empty());
        let stays = |ticket: &&Ticket| !leaves[usize::try_from(ticket.0).unwrap() % leaves.len()];
        let late: Vec<_> = tickets.iter().filter(stays).filter(|ticket| !turns.contains(ticket)).collect();
        prop_assert!(late.is_empty(), "{late:?}");
    }

    #[test]
    fn any_number_of_clients_of_any_host_is_bounded(
        clients in 1_usize..400,
        bears in 10.0_f64..500.0,
        latency in 1_u64..200,
        seed: u64,
    ) {
        let storm = Storm {
            clients,
            bears,
            latency: millis(latency),
            time: Duration::from_secs(8),
        };
        let calm = storm.run(seed);
        prop_assert!(calm.sent <= 3 * clients + 50, "{calm:?}");
        // Half of what the host bore at least: nobody starves beside a host that is not asked.
        let borne = bears * 8.0 / 2.0;
        let served = f64::from(u32::try_from(calm.served).unwrap());
        prop_assert!(calm.served == clients || served >= borne.min(200.0) / 2.0, "{calm:?}");
    }
}
