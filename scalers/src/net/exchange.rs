//! Counts of HTTP exchanges, for the trigger that asked.
//!
//! Clients are shared, and one exchange may answer several triggers. The exchange counts for the trigger whose question
//! ran it when it ended. An exchange without a waiting trigger, such as the early renewal of a token, is not counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

tokio::task_local! {
    static ASKING: Arc<dyn Observer>;
}

/// Hears of the HTTP exchanges that its trigger's questions lead to.
pub trait Observer: Send + Sync {
    /// An exchange was answered with this status, or with none within `took`.
    fn exchanged(&self, status: Option<u16>, took: Duration);

    /// A source answered, and its answer held no value. `ignored`: it is taken for 0, not for an error.
    fn found_nothing(&self, _ignored: bool) {}
}

/// Does `question` on behalf of `asking`.
pub async fn on_behalf_of<F: Future>(asking: Arc<dyn Observer>, question: F) -> F::Output {
    ASKING.scope(asking, question).await
}

/// Notes that the source of the trigger that asks answered without a value.
pub fn found_nothing(ignored: bool) {
    // Nobody may be asking.
    let _ = ASKING.try_with(|asking| asking.found_nothing(ignored));
}

/// Sends a request, and notes for the trigger that asks how it went.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> Result<reqwest::Response, reqwest::Error> {
    let begun = Instant::now();
    let answer = request.send().await;
    let status = answer.as_ref().ok().map(|response| response.status().as_u16());
    // Nobody may be asking.
    let _ = ASKING.try_with(|asking| asking.exchanged(status, begun.elapsed()));
    answer
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::pool::SingleFlight;

    #[derive(Default)]
    struct Heard(Mutex<Vec<Option<u16>>>);

    impl Observer for Heard {
        fn exchanged(&self, status: Option<u16>, _: Duration) {
            self.0.lock().push(status);
        }
    }

    fn client() -> reqwest::Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder().no_proxy().build().unwrap()
    }

    #[tokio::test]
    async fn an_exchange_counts_for_one_of_those_who_ask() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let _ = socket.read(&mut [0; 1024]).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                let _ =
                    socket.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
            }
        });
        let flights = Arc::new(SingleFlight::<(), u16>::default());
        let question = |observer: &Arc<Heard>| {
            let (flights, client, url) = (Arc::clone(&flights), client(), url.clone());
            on_behalf_of(Arc::clone(observer) as Arc<dyn Observer>, async move {
                let query = async move { send(client.get(url)).await.unwrap().status().as_u16() };
                flights.join(&(), query).await
            })
        };
        let (one, two) = (Arc::new(Heard::default()), Arc::new(Heard::default()));
        let answers = tokio::join!(question(&one), question(&two));
        assert_eq!(answers, (404, 404));
        let heard: Vec<_> = one.0.lock().iter().chain(two.0.lock().iter()).copied().collect();
        assert_eq!(heard, [Some(404)], "one exchange served both");
    }

    #[tokio::test]
    async fn what_is_not_answered_has_no_status_and_nobody_need_ask() {
        let heard = Arc::new(Heard::default());
        let nowhere = || client().get("http://127.0.0.1:1/");
        on_behalf_of(Arc::clone(&heard) as Arc<dyn Observer>, send(nowhere())).await.unwrap_err();
        send(nowhere()).await.unwrap_err();
        assert_eq!(*heard.0.lock(), [None]);
    }
}
