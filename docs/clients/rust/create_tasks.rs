//! Creates tasks over gRPC, once, whatever happens on the way.
//!
//! `proto` is the code that tonic-prost-build generates from `proto/`: `crates/proto`, or your own.
//!
//!     CASELOAD_SERVER=http://127.0.0.1:50051 CASELOAD_API_KEY=cl_… create_tasks [CASE_ID]

use std::{env, error::Error, fmt, time::Duration};

use proto::tasks::v1::{
    BatchCreateTasksRequest, GetIdempotencyRecordRequest, NewTask,
    task_service_client::TaskServiceClient,
};
use tokio::time::{Instant, sleep};
use tonic::{Code, Request, Response, Status, transport::Channel};

/// The most time that one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// The most time that all attempts at a call may take, with the pauses.
const CALL: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Why a call failed.
#[derive(Debug)]
enum Failure {
    /// The service rejected the request, and changed nothing.
    Refused(Status),
    /// All attempts failed: the service may have done what was asked for, or not.
    NoAnswer(Status),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "{:?}: {}", status.code(), status.message()),
            Self::NoAnswer(status) => write!(f, "no answer in time: {}", status.message()),
        }
    }
}

impl Error for Failure {}

/// Creates the tasks and returns their ids. Called again with the same key, it creates nothing twice.
async fn create_tasks(
    service: &TaskServiceClient<Channel>,
    api_key: &str,
    case_id: i64,
    tasks: Vec<NewTask>,
    key: &str,
) -> Result<Vec<i64>, Failure> {
    let request_id = key.to_owned();
    let request = BatchCreateTasksRequest { case_id, tasks, request_id, ..Default::default() };
    let created =
        call(api_key, request, async |request| service.clone().batch_create_tasks(request).await);
    match created.await {
        Ok(created) => Ok(created.tasks.iter().map(|task| task.id).collect()),
        Err(Failure::NoAnswer(_)) => {
            // Until its own deadline, the last attempt may still wait in the server.
            sleep(ATTEMPT).await;
            let request = GetIdempotencyRecordRequest { request_id: key.to_owned() };
            let found = call(api_key, request, async |request| {
                service.clone().get_idempotency_record(request).await
            });
            Ok(found.await?.record.map(|record| record.task_ids).unwrap_or_default())
        }
        Err(refused) => Err(refused),
    }
}

/// Makes a call that may be repeated: a read, an update, or a create with a key.
async fn call<M: Clone, R>(
    api_key: &str,
    message: M,
    method: impl AsyncFn(Request<M>) -> Result<Response<R>, Status>,
) -> Result<R, Failure> {
    let end = Instant::now() + CALL;
    let mut longest_pause = Duration::from_millis(100);
    loop {
        let mut request = Request::new(message.clone());
        // What is left of the time.
        request.set_timeout(ATTEMPT.min(end.saturating_duration_since(Instant::now())));
        let authorization = format!("Bearer {api_key}").parse();
        let authorization = authorization
            .map_err(|_| Failure::Refused(Status::unauthenticated("the key is malformed")))?;
        request.metadata_mut().insert("authorization", authorization);
        let status = match method(request).await {
            Ok(response) => return Ok(response.into_inner()),
            Err(status) if !may_be_repeated(&status) => return Err(Failure::Refused(status)),
            Err(status) => status,
        };
        // A random pause, so that clients that failed together don't come back together.
        let pause = pushback(&status).unwrap_or_default() + at_most(longest_pause);
        longest_pause = (longest_pause * 2).min(LONGEST_PAUSE);
        if Instant::now() + pause + Duration::from_millis(100) > end {
            return Err(Failure::NoAnswer(status));
        }
        sleep(pause).await;
    }
}

fn may_be_repeated(status: &Status) -> bool {
    match status.code() {
        // UNKNOWN is an unknown outcome. tonic reports a timeout as CANCELLED.
        Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled => true,
        // A limit, if there is a time to wait; otherwise the response was too large.
        Code::ResourceExhausted => pushback(status).is_some(),
        // Without details, the library or a proxy wrote it: the connection was lost.
        Code::Internal => status.details().is_empty(),
        _ => false,
    }
}

/// Returns how long the server wants the caller to wait.
fn pushback(status: &Status) -> Option<Duration> {
    let milliseconds = status.metadata().get("grpc-retry-pushback-ms")?;
    Some(Duration::from_millis(milliseconds.to_str().ok()?.parse().ok()?))
}

/// Returns a random duration.
fn at_most(longest: Duration) -> Duration {
    let mut random = [0];
    // Without randomness the pause is the longest one.
    getrandom::fill(&mut random).map_or(longest, |()| longest.mul_f64(f64::from(random[0]) / 255.0))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = Channel::from_shared(env::var("CASELOAD_SERVER")?)?.connect_lazy();
    let case_id = env::args().nth(1).map_or(Ok(1), |id| id.parse())?;
    // Store the key with the work to be done, before the first attempt: then a program that is started
    // again repeats the request, instead of making another one.
    let mut key = [0; 16];
    getrandom::fill(&mut key)?;
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let tasks = vec![
        NewTask {
            description: "Collect the logs".to_owned(),
            assignee_emails: vec!["user1@example.com".to_owned()],
        },
        NewTask { description: "Call the customer".to_owned(), assignee_emails: vec![] },
    ];
    let service = TaskServiceClient::new(service);
    let api_key = env::var("CASELOAD_API_KEY")?;
    let ids = create_tasks(&service, &api_key, case_id, tasks, &key).await?;
    println!("{{\"task_ids\":{ids:?}}}");
    Ok(())
}
