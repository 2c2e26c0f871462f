//! Who reads slowly holds the other side back.

use callboard_actors::stream::StreamWindow;

use super::*;

#[test]
fn a_slow_reader_holds_the_writer_back() {
    each_way(|world, way| async move {
        let (_node, client, shared) = talkers(&world, way).await;
        let mut call = open(&client, Act::Wait).await;
        let most = StreamWindow::default().items;
        for _ in 0..most {
            call.send(vec![0; 10]).await.unwrap();
        }
        let late = tokio::time::timeout(millis(1000), call.send(vec![0; 10]));
        assert!(late.await.is_err(), "one more waits for credit");
        shared.go.notify_one();
        call.send(vec![0; 10]).await.unwrap();
        call.close().await;
        assert_eq!(rest(&mut call).await, [u64::from(most) + 1], "what was given up was not sent");
    });
}

#[test]
fn a_slow_reader_bounds_the_bytes_that_wait() {
    each_way(|world, way| async move {
        let (_node, client, shared) = talkers(&world, way).await;
        let mut call = open(&client, Act::Wait).await;
        call.send(vec![0; 600_000]).await.unwrap();
        call.send(vec![0; 600_000]).await.unwrap();
        let late = tokio::time::timeout(millis(1000), call.send(Vec::new()));
        assert!(late.await.is_err(), "a megabyte is under way");
        shared.go.notify_one();
        call.close().await;
        assert_eq!(rest(&mut call).await, [2]);
    });
}

#[test]
fn a_slow_client_holds_the_handler_back() {
    each_way(|world, way| async move {
        let (_node, client, shared) = talkers(&world, way).await;
        let window = StreamWindow { items: 4, ..StreamWindow::default() };
        let call = client.service("talker").stream(Talk(Act::Count(100))).window(window);
        let mut call = call.await.unwrap();
        world.advance(millis(1000)).await;
        assert_eq!(shared.sent.load(Ordering::Relaxed), 4);
        assert_eq!(call.recv().await.unwrap(), Some(0));
        assert_eq!(call.recv().await.unwrap(), Some(1));
        world.advance(millis(1000)).await;
        assert_eq!(shared.sent.load(Ordering::Relaxed), 6);
        assert_eq!(rest(&mut call).await, (2..100).collect::<Vec<_>>());
    });
}
