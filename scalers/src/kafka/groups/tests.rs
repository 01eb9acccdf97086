use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::endpoint::Endpoint;
use super::*;

fn partition(read: Result<Option<ShareOffset>, Code>) -> SharePartition {
    SharePartition { topic: "orders".into(), partition: 0, read }
}

#[test]
fn a_share_group_is_one_that_has_begun_to_read_a_partition() {
    assert!(share_positions(vec![]).unwrap().is_none());
    let begun = share_positions(vec![partition(Ok(None))]).unwrap().unwrap();
    assert_eq!(begun.by_partition[&("orders".into(), 0)], Ok(None));
    let counted = partition(Ok(Some(ShareOffset { start: 4, lag: Some(2) })));
    let read = share_positions(vec![counted]).unwrap().unwrap();
    let position = Position { offset: 4, share_lag: Some(2) };
    assert_eq!(read.by_partition[&("orders".into(), 0)], Ok(Some(position)));
}

#[test]
fn a_place_alone_says_nothing_of_a_share_groups_lag() {
    let place = partition(Ok(Some(ShareOffset { start: 4, lag: None })));
    assert_eq!(share_positions(vec![place]).err(), Some(NotCounted));
}

#[test]
fn the_type_of_a_group_is_remembered_for_a_while() {
    let (group, now) = (Group::new("g".into()), Instant::now());
    assert_eq!(group.known(now), Known::Nothing);
    *group.known.lock() = Known::NoShare(now);
    assert_eq!(group.known(now + TYPE_AGE), Known::NoShare(now));
    assert_eq!(group.known(now + TYPE_AGE * 2), Known::Nothing, "it may be a share group by now");
    *group.known.lock() = Known::Share;
    assert_eq!(group.known(now + TYPE_AGE * 9), Known::Share, "each answer confirms it");
}

/// The answer of a broker about a share group, by the version of the request.
type Share = fn(i16) -> Vec<u8>;

/// A fake broker, because no real one is at hand that knows no share groups or does not count their lag. No group has
/// committed an offset here.
struct Broker {
    client: Arc<Client>,
    asked: Arc<Mutex<Vec<i16>>>,
}

impl Broker {
    /// `newest` is the version of `DescribeShareGroupOffsets` that it announces.
    async fn start(newest: Option<i16>, share: Arc<Mutex<Share>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<i16>>> = Arc::default();
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            while let Ok(length) = stream.read_i32().await {
                let mut frame = vec![0; usize::try_from(length).unwrap()];
                stream.read_exact(&mut frame).await.unwrap();
                let [key, version] = [0, 2].map(|at| i16::from_be_bytes([frame[at], frame[at + 1]]));
                heard.lock().push(key);
                let body = match key {
                    18 => versions(newest),
                    10 => coordinator(port),
                    9 => {
                        b"\0\0\0\x01\0\x06orders\0\0\0\x01\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0".to_vec()
                    }
                    90 => share.lock()(version),
                    key => panic!("it is asked something else: {key}"),
                };
                stream.write_i32(i32::try_from(body.len()).unwrap() + 4).await.unwrap();
                stream.write_all(&frame[4..8]).await.unwrap();
                stream.write_all(&body).await.unwrap();
            }
        });
        let endpoint = Endpoint { brokers: format!("127.0.0.1:{port}"), tls: None, sasl: None };
        Self { client: Arc::new(Client::new(&endpoint, None, &Arc::default())), asked }
    }

    /// The position that a trigger reads, and the requests that it took.
    async fn read(&self, group: &Group) -> (Result<Option<Position>, String>, Vec<i16>) {
        self.read_log(group, true).await
    }

    async fn read_log(&self, group: &Group, were_written: bool) -> (Result<Option<Position>, String>, Vec<i16>) {
        let partition: Partition = ("orders".into(), 0);
        let read = group.positions(&self.client, Some([partition.clone()].into()), were_written).await;
        let read = read.map(|positions| match positions.by_partition.get(&partition) {
            Some(position) => position.unwrap(),
            None => None,
        });
        (read.map_err(|error| error.to_string()), std::mem::take(&mut *self.asked.lock()))
    }
}

fn versions(newest: Option<i16>) -> Vec<u8> {
    let known = [(1, 11), (2, 11), (3, 13), (9, 10), (10, 6), (17, 1), (36, 2)];
    let known: Vec<(i16, i16)> = known.into_iter().chain(newest.map(|newest| (90, newest))).collect();
    let mut body = vec![0, 0, 0, 0, 0, u8::try_from(known.len()).unwrap()];
    for (key, newest) in known {
        body.extend([key, 0, newest].map(i16::to_be_bytes).concat());
    }
    body
}

fn coordinator(port: u16) -> Vec<u8> {
    let mut body = b"\0\0\0\0\0\0\xff\xff\0\0\0\x01\0\x09127.0.0.1\0\0".to_vec();
    body.extend(port.to_be_bytes());
    body
}

/// No partition, and a code for the whole group.
fn no_partitions(code: i16) -> Vec<u8> {
    [&b"\0\0\0\0\0\x02\x02g\x01"[..], &code.to_be_bytes(), b"\0\0\0"].concat()
}

/// Partition 0 of orders, read up to 4, and of later records all but 2.
fn one_partition(version: i16) -> Vec<u8> {
    let lag: &[u8] = if version > 0 { &[0, 0, 0, 0, 0, 0, 0, 2] } else { &[] };
    let partition = [&[0; 4][..], &[0, 0, 0, 0, 0, 0, 0, 4], &[0; 4], lag, &[0; 2], &[0; 2]].concat();
    let topic = [&b"\x07orders"[..], &[7; 16], b"\x02", &partition, b"\0"].concat();
    [&b"\0\0\0\0\0\x02\x02g\x02"[..], &topic, b"\0\0\0\0\0"].concat()
}

#[tokio::test]
async fn brokers_without_share_groups_are_asked_what_they_were_always_asked() {
    let broker = Broker::start(None, Arc::new(Mutex::new(|_| panic!("it does not know the question")))).await;
    let group = Group::new("g".into());
    assert_eq!(broker.read(&group).await, (Ok(None), vec![18, 10, 9]));
    assert_eq!(broker.read(&group).await, (Ok(None), vec![9]));
}

#[tokio::test]
async fn the_type_of_a_group_without_commits_is_not_asked_for_each_time() {
    // The group is of another type, is not there, or is not to be described.
    for answer in [(|_| no_partitions(0)) as Share, |_| no_partitions(69), |_| no_partitions(30)] {
        let broker = Broker::start(Some(1), Arc::new(Mutex::new(answer))).await;
        let group = Group::new("g".into());
        assert_eq!(broker.read_log(&group, false).await, (Ok(None), vec![18, 10, 9]), "nothing was ever written");
        assert_eq!(broker.read(&group).await, (Ok(None), vec![9, 90]));
        assert_eq!(broker.read(&group).await, (Ok(None), vec![9]));
        *group.known.lock() = Known::Nothing;
        assert_eq!(broker.read(&group).await, (Ok(None), vec![9, 90]), "it may be a share group by now");
    }
}

#[tokio::test]
async fn a_share_group_is_one_question_until_it_is_none_any_more() {
    let share = Arc::new(Mutex::new(one_partition as Share));
    let broker = Broker::start(Some(1), Arc::clone(&share)).await;
    let (group, position) = (Group::new("g".into()), Position { offset: 4, share_lag: Some(2) });
    assert_eq!(broker.read(&group).await, (Ok(Some(position)), vec![18, 10, 9, 90]));
    assert_eq!(broker.read(&group).await, (Ok(Some(position)), vec![90]));
    *share.lock() = |_| no_partitions(69);
    assert_eq!(broker.read(&group).await, (Ok(None), vec![90, 9, 90]));
    assert_eq!(broker.read(&group).await, (Ok(None), vec![9]));
}

#[tokio::test]
async fn a_broker_that_does_not_count_the_lag_is_an_error_that_names_the_group_and_the_hint() {
    let broker = Broker::start(Some(0), Arc::new(Mutex::new(one_partition))).await;
    let (read, _) = broker.read(&Group::new("g".into())).await;
    let error = read.unwrap_err();
    assert!(error.contains("the lag of share group \"g\" at Kafka at 127.0.0.1:"), "{error}");
    assert!(error.contains("upgrade the brokers, or name in consumerGroup a group that commits offsets"), "{error}");
}
