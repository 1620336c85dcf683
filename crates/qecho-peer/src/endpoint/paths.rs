//! Paths: what may be sent on them, and their validation (RFC 9000 §8, §9).

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use qecho_packet::{Side, wire::Frame};

use crate::{network::PathId, packet::Content};

/// RFC 9000 §8.1.
const AMPLIFICATION: usize = 3;
/// Challenges without an answer after which an endpoint goes back to the path before.
const CHALLENGES_MAX: u32 = 3;
/// Frames that wait for their path; each is an answer to a packet.
const FRAMES_MAX: usize = 64;

/// All paths of a connection.
pub(super) struct Paths {
    /// The path that is sent on.
    pub(super) current: PathId,
    side: Side,
    paths: BTreeMap<PathId, Path>,
    /// Frames that go on a certain path, each in a datagram of its own.
    frames: VecDeque<(PathId, Content)>,
}

#[derive(Default)]
struct Path {
    came: usize,
    went: usize,
    is_validated: bool,
    challenge: Option<Challenge>,
    /// The path to go back to if this one is not validated.
    before: Option<PathId>,
}

/// A PATH_CHALLENGE without an answer.
struct Challenge {
    data: [u8; 8],
    /// The time at which it was sent, once it was.
    at: Option<Instant>,
    tries: u32,
}

impl Paths {
    pub(super) fn new(side: Side) -> Self {
        Self {
            current: PathId::default(),
            side,
            paths: BTreeMap::new(),
            frames: VecDeque::new(),
        }
    }

    pub(super) fn came(&mut self, path: PathId, bytes: usize) {
        self.paths.entry(path).or_default().came += bytes;
    }

    /// Notes a datagram that was sent, with a challenge perhaps.
    pub(super) fn went(&mut self, path: PathId, bytes: usize, now: Instant) {
        let path = self.paths.entry(path).or_default();
        path.went += bytes;
        if let Some(challenge) = &mut path.challenge {
            challenge.at.get_or_insert(now);
        }
    }

    pub(super) fn validate(&mut self, path: PathId) {
        self.paths.entry(path).or_default().is_validated = true;
    }

    /// Tells whether the peer's address is validated; a client takes a server's for granted.
    pub(super) fn is_validated(&self, path: PathId) -> bool {
        let path = self.paths.get(&path);
        self.side == Side::Client || path.is_some_and(|path| path.is_validated)
    }

    /// Returns the bytes that may still be sent (RFC 9000 §8.1).
    pub(super) fn allowance(&self, path: PathId) -> usize {
        match self.paths.get(&path) {
            _ if self.is_validated(path) => usize::MAX,
            Some(path) => (AMPLIFICATION * path.came).saturating_sub(path.went),
            None => 0,
        }
    }

    /// Sends PATH_CHALLENGE.
    pub(super) fn challenge(&mut self, path: PathId, data: [u8; 8]) {
        let entry = self.paths.entry(path).or_default();
        let tries = entry.challenge.as_ref().map_or(0, |before| before.tries);
        entry.challenge = Some(Challenge {
            data,
            at: None,
            tries: tries + 1,
        });
        self.push(path, Frame::PathChallenge { data });
    }

    /// Sends PATH_RESPONSE on the path of its challenge (RFC 9000 §8.2.2).
    pub(super) fn respond(&mut self, path: PathId, data: [u8; 8]) {
        self.push(path, Frame::PathResponse { data });
    }

    fn push(&mut self, path: PathId, frame: Frame<'_>) {
        if self.frames.len() < FRAMES_MAX {
            self.frames.push_back((path, Content::from(frame)));
        }
    }

    /// Takes a PATH_RESPONSE: it validates the path of its challenge, on whatever path it comes
    /// (RFC 9000 §8.2.3).
    pub(super) fn take_response(&mut self, data: [u8; 8]) {
        for path in self.paths.values_mut() {
            let challenge = path.challenge.as_ref();
            if challenge.is_some_and(|challenge| challenge.data == data) {
                path.is_validated = true;
                path.challenge = None;
                path.before = None;
            }
        }
    }

    /// Goes back to a path, if the current one is not validated.
    pub(super) fn fall_back_to(&mut self, before: PathId) {
        if self.is_validated(before) {
            self.paths.entry(self.current).or_default().before = Some(before);
        }
    }

    /// Takes a frame that goes on a certain path.
    pub(super) fn next_frame(&mut self) -> Option<(PathId, Content)> {
        self.frames.pop_front()
    }

    /// Returns the time at which the oldest challenge was sent.
    pub(super) fn challenged_at(&self) -> Option<Instant> {
        let challenges = self.paths.values();
        challenges
            .filter_map(|path| path.challenge.as_ref()?.at)
            .min()
    }

    /// Gives up challenges that were sent before `limit`; returns the paths that are to be
    /// challenged again. Goes back from a path that never answers (RFC 9000 §9.3.2).
    pub(super) fn overdue(&mut self, limit: Instant) -> Vec<PathId> {
        let mut again = Vec::new();
        let mut back = None;
        for (id, path) in &mut self.paths {
            let overdue = path.challenge.as_mut();
            let overdue = overdue.filter(|challenge| challenge.at.is_some_and(|at| at <= limit));
            match overdue {
                Some(challenge) if challenge.tries < CHALLENGES_MAX => again.push(*id),
                Some(_) => {
                    path.challenge = None;
                    back = path.before.take().filter(|_| *id == self.current).or(back);
                }
                None => {}
            }
        }
        self.current = back.unwrap_or(self.current);
        again
    }
}
