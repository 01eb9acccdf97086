//! An open AMQP connection as a state machine without I/O: what is asked, what a broker answers, and what is to be sent.
//!
//! A queue's depth is asked with a passive declare. A broker answers the questions of a channel in their order, and one about
//! a queue that does not exist by closing the channel. So the first question without an answer is the one that closed it, and
//! those behind it are asked again on the next channel.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::frame::{Reason, Said, read, write_method, write_short};
use super::handshake::closed;
use crate::net::peer::said_bytes;

/// The most questions of a channel that wait for their answers.
const MOST_UNANSWERED: usize = 1_024;

/// The channel that a question is asked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// That of queues that were there at the last look.
    Shared,
    /// That of queues that were missing.
    Isolated,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The broker refuses the question with this reply code and text.
    Queue(u16, String),
    /// The connection has ended.
    Connection(String),
}

/// The one who gets the answer to a question.
pub(super) trait Asker: Send + Sync + fmt::Debug {
    /// The number of messages that are ready, or why it cannot be had.
    fn answered(&self, answer: Result<u32, &Refusal>);
}

/// A question for the depth of a queue.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) queue: Arc<str>,
    pub(super) asker: Arc<dyn Asker>,
}

/// The state of a connection.
#[derive(Debug)]
pub(super) struct Session {
    channels: [Channel; 2],
    /// The bytes that are to be sent.
    out: Vec<u8>,
    /// Why the connection has ended, once it has.
    ended: Option<Refusal>,
}

#[derive(Debug)]
struct Channel {
    number: u16,
    state: ChannelState,
    /// The questions that are sent, in their order.
    sent: VecDeque<Question>,
    /// The questions that are still to be sent.
    waiting: VecDeque<Question>,
    /// How many may be sent before an answer comes. Each refusal halves it: those behind a refused question are sent twice.
    window: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChannelState {
    Closed,
    Opening,
    Open,
}

impl Default for Session {
    fn default() -> Self {
        let channel = |number| Channel {
            number,
            state: ChannelState::Closed,
            sent: VecDeque::new(),
            waiting: VecDeque::new(),
            window: MOST_UNANSWERED,
        };
        Self { channels: [channel(1), channel(2)], out: Vec::new(), ended: None }
    }
}

impl Session {
    /// Asks a question. After the end of the connection it is refused at once.
    pub(super) fn ask(&mut self, lane: Lane, question: Question) {
        if let Some(refusal) = &self.ended {
            return question.asker.answered(Err(refusal));
        }
        let channel = &mut self.channels[lane as usize];
        channel.waiting.push_back(question);
        channel.send(&mut self.out);
    }

    /// How many questions have no answer yet.
    pub(super) fn unanswered(&self) -> usize {
        self.channels.iter().map(|channel| channel.sent.len() + channel.waiting.len()).sum()
    }

    /// Takes a whole frame of the broker.
    ///
    /// # Errors
    /// Why the connection ends: the broker closes it, or answers without a question.
    pub(super) fn on_frame(&mut self, frame: &[u8]) -> Result<(), String> {
        let (number, said) = read(frame)?;
        match (number, said) {
            (_, Said::Nothing) => return Ok(()),
            (0, Said::Close(reason)) => {
                // connection.close-ok.
                write_method(&mut self.out, 0, (10, 51), |_| ());
                return Err(closed(reason));
            }
            (0, Said::Closed) => return Err("the connection is closed".into()),
            _ => {}
        }
        let Some(channel) = self.channels.iter_mut().find(|channel| channel.number == number) else {
            return Err(unasked(number, said));
        };
        match said {
            Said::ChannelOpened if channel.state == ChannelState::Opening => channel.state = ChannelState::Open,
            Said::Declared(queue, messages) if channel.state == ChannelState::Open => {
                channel.answered(queue, messages)?;
            }
            Said::ChannelClose(reason) if channel.state != ChannelState::Closed => {
                // channel.close-ok.
                write_method(&mut self.out, number, (20, 41), |_| ());
                channel.closed(reason)?;
            }
            other => return Err(unasked(number, other)),
        }
        channel.send(&mut self.out);
        Ok(())
    }

    /// Asks the broker to close the connection.
    pub(super) fn close(&mut self) {
        // connection.close: 200, no text, no method that caused it.
        write_method(&mut self.out, 0, (10, 50), |out| out.extend([0, 200, 0, 0, 0, 0, 0]));
    }

    /// Ends the connection: no question gets an answer any more.
    pub(super) fn end(&mut self, why: String) {
        let refusal = &*self.ended.get_or_insert(Refusal::Connection(why));
        for channel in &mut self.channels {
            for question in channel.sent.drain(..).chain(channel.waiting.drain(..)) {
                question.asker.answered(Err(refusal));
            }
        }
    }

    /// Why the connection has ended, once it has.
    pub(super) fn ended(&self) -> Option<&Refusal> {
        self.ended.as_ref()
    }

    /// Puts the bytes that are to be sent into `bytes`, which is empty.
    pub(super) fn take_output(&mut self, bytes: &mut Vec<u8>) {
        std::mem::swap(&mut self.out, bytes);
    }
}

impl Channel {
    /// Sends as many questions as the window allows, on a channel that is opened for them.
    fn send(&mut self, out: &mut Vec<u8>) {
        if self.waiting.is_empty() {
            return;
        }
        if self.state == ChannelState::Closed {
            self.state = ChannelState::Opening;
            write_method(out, self.number, (20, 10), |out| out.push(0));
        }
        while self.state == ChannelState::Open
            && self.sent.len() < self.window
            && let Some(question) = self.waiting.pop_front()
        {
            write_method(out, self.number, (50, 10), |out| {
                out.extend([0, 0]);
                write_short(out, &question.queue);
                // Passive; no arguments.
                out.extend([1, 0, 0, 0, 0]);
            });
            self.sent.push_back(question);
        }
    }

    fn answered(&mut self, queue: &[u8], messages: u32) -> Result<(), String> {
        let Some(question) = self.sent.pop_front().filter(|question| question.queue.as_bytes() == queue) else {
            return Err(format!("an answer about queue {:?}, which Ebb did not ask about", said_bytes(queue)));
        };
        self.window = (self.window + 1).min(MOST_UNANSWERED);
        question.asker.answered(Ok(messages));
        Ok(())
    }

    fn closed(&mut self, reason: Reason<'_>) -> Result<(), String> {
        self.state = ChannelState::Closed;
        self.window = (self.window / 2).max(1);
        let Some(refused) = self.sent.pop_front().filter(|_| is_of_a_queue(reason.code)) else {
            return Err(closed(reason));
        };
        refused.asker.answered(Err(&Refusal::Queue(reason.code, said_bytes(reason.text))));
        while let Some(question) = self.sent.pop_back() {
            self.waiting.push_front(question);
        }
        Ok(())
    }
}

/// Reply codes of the AMQP 0-9-1 specification: 403 access-refused, 404 not-found, 405 resource-locked.
fn is_of_a_queue(code: u16) -> bool {
    (403..=405).contains(&code)
}

fn unasked(channel: u16, said: Said<'_>) -> String {
    format!("the AMQP method {said} on channel {channel}, which Ebb did not ask for")
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::super::frame::tests::{close, declared, method};
    use super::*;

    #[derive(Debug, Default)]
    struct Answers(Mutex<Vec<Result<u32, Refusal>>>);

    impl Asker for Answers {
        fn answered(&self, answer: Result<u32, &Refusal>) {
            self.0.lock().push(answer.map_err(Clone::clone));
        }
    }

    fn question(queue: &str) -> (Question, Arc<Answers>) {
        let answers = Arc::<Answers>::default();
        (Question { queue: queue.into(), asker: Arc::clone(&answers) as _ }, answers)
    }

    fn output(session: &mut Session) -> Vec<u8> {
        let mut bytes = Vec::new();
        session.take_output(&mut bytes);
        bytes
    }

    fn opened(channel: u16) -> Vec<u8> {
        method(channel, 20, 11, &[0; 4])
    }

    fn declare(channel: u16, queue: &str) -> Vec<u8> {
        let arguments =
            [&[0, 0][..], &[u8::try_from(queue.len()).unwrap()], queue.as_bytes(), &[1, 0, 0, 0, 0]].concat();
        method(channel, 50, 10, &arguments)
    }

    /// A session with these queues asked about on the shared channel, and the askers.
    fn asked(queues: &[&str]) -> (Session, Vec<Arc<Answers>>) {
        let mut session = Session::default();
        let askers = queues.iter().map(|queue| {
            let (question, answers) = question(queue);
            session.ask(Lane::Shared, question);
            answers
        });
        let askers = askers.collect();
        assert_eq!(output(&mut session), method(1, 20, 10, &[0]), "one channel is opened for all");
        session.on_frame(&opened(1)).unwrap();
        (session, askers)
    }

    fn answer(asker: &Answers) -> Result<u32, Refusal> {
        let mut answers = asker.0.lock();
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0)
    }

    #[test]
    fn questions_are_sent_together_and_answered_in_their_order() {
        let (mut session, askers) = asked(&["a", "b"]);
        assert_eq!(output(&mut session), [declare(1, "a"), declare(1, "b")].concat());
        assert_eq!(session.unanswered(), 2);
        session.on_frame(&declared(1, "a", 7)).unwrap();
        session.on_frame(&declared(1, "b", 0)).unwrap();
        assert_eq!((answer(&askers[0]), answer(&askers[1])), (Ok(7), Ok(0)));
        assert_eq!(session.unanswered(), 0);
    }

    #[test]
    fn a_missing_queue_costs_the_others_a_channel_and_no_answer() {
        let (mut session, askers) = asked(&["a", "gone", "b"]);
        output(&mut session);
        session.on_frame(&declared(1, "a", 1)).unwrap();
        session.on_frame(&close(1, 404, "NOT_FOUND - no queue 'gone'")).unwrap();
        assert_eq!(answer(&askers[1]), Err(Refusal::Queue(404, "NOT_FOUND - no queue 'gone'".into())));
        assert_eq!(output(&mut session), [method(1, 20, 41, &[]), method(1, 20, 10, &[0])].concat());
        session.on_frame(&opened(1)).unwrap();
        assert_eq!(output(&mut session), declare(1, "b"));
        session.on_frame(&declared(1, "b", 2)).unwrap();
        assert_eq!((answer(&askers[0]), answer(&askers[2])), (Ok(1), Ok(2)));
    }

    #[test]
    fn the_other_channel_goes_on() {
        let (mut session, _) = asked(&["a"]);
        let (question, isolated) = question("gone");
        session.ask(Lane::Isolated, question);
        session.on_frame(&opened(2)).unwrap();
        session.on_frame(&close(2, 404, "NOT_FOUND")).unwrap();
        assert!(answer(&isolated).is_err());
        output(&mut session);
        session.on_frame(&declared(1, "a", 1)).unwrap();
        assert!(output(&mut session).is_empty(), "a channel without questions is not opened");
    }

    /// A thousand queues are missing. The test counts the questions until each is refused.
    #[test]
    fn many_missing_queues_cost_a_few_questions_each() {
        let names: Vec<_> = (0..1_000).map(|number| format!("{number:03}")).collect();
        let (mut session, askers) = asked(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let size = declare(1, "000").len();
        let mut sent = output(&mut session).len() / size;
        for asker in &askers {
            session.on_frame(&close(1, 404, "NOT_FOUND")).unwrap();
            assert!(answer(asker).is_err());
            output(&mut session);
            if session.unanswered() > 0 {
                session.on_frame(&opened(1)).unwrap();
                sent += output(&mut session).len() / size;
            }
        }
        assert!((1_000..3_100).contains(&sent), "{sent}");
    }

    #[test]
    fn a_connection_that_ends_refuses_every_question() {
        let (mut session, askers) = asked(&["a"]);
        session.end("the broker closed the connection".into());
        session.end("another reason".into());
        let refused = Err(Refusal::Connection("the broker closed the connection".into()));
        assert_eq!(answer(&askers[0]), refused);
        let (question, late) = question("b");
        session.ask(Lane::Shared, question);
        assert_eq!((answer(&late), session.unanswered()), (refused, 0));
    }

    #[test]
    fn what_nobody_asked_for_ends_the_connection() {
        for (name, frame, says) in [
            ("channel.open-ok", opened(1), "channel 1"),
            ("a channel of its own", opened(3), "channel 3"),
            ("close of another", close(2, 404, ""), "channel 2"),
            ("an answer to nobody", declared(2, "a", 1), "channel 2"),
            ("an answer about another queue", declared(1, "b", 1), "queue \"b\""),
            ("deliver", method(1, 60, 60, &[0; 12]), "the AMQP method 60.60 on channel 1"),
            ("start again", method(0, 10, 10, &[0, 9, 0, 0, 0, 0, 0, 0, 0, 0]), "channel 0"),
            ("a close for another reason", close(1, 541, "INTERNAL_ERROR"), "INTERNAL_ERROR (541)"),
            ("connection.close", close(0, 320, "CONNECTION_FORCED - bye"), "CONNECTION_FORCED - bye (320)"),
        ] {
            let (mut session, _) = asked(&["a"]);
            let error = session.on_frame(&frame).unwrap_err();
            assert!(error.contains(says), "{name}: {error}");
        }
    }
}
