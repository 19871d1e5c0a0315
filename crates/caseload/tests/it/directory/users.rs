//! What an upsert of users does.

use proto::directory::v1::{BatchUpsertUsersRequest, Change, GetUserRequest, UpsertUser, User};

use super::{Feeder, by_email, by_external_id, by_id, user};
use crate::support::{App, code_and_reasons};

/// Returns what became of users, and who they are.
fn summary(fed: &[(Change, User)]) -> Vec<String> {
    let summary = fed.iter().map(|(change, user)| {
        let User { external_id, email, first_name, last_name, .. } = user;
        format!("{change:?} {external_id}/{email}/{first_name}/{last_name}")
    });
    summary.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_created_changed_or_left_as_they_are() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let users = [user("x1", "New1@Example.com", "Ann"), user("", "new2@example.com", " Bob ")];
    let created = feeder.feed(&users).await;
    assert_eq!(
        summary(&created),
        ["Created x1/new1@example.com/Ann/Fed", "Created /new2@example.com/Bob/Fed"]
    );
    assert!(created.iter().all(|(_, user)| user.id.parse::<i64>().unwrap() > 0));
    assert!(created.iter().all(|(_, user)| user.deactivated_at.is_none()));

    // A repeat touches nothing.
    let rows = "SELECT xmin, * FROM users ORDER BY id";
    let before = app.database.query(rows);
    let repeated = feeder.feed(&users).await;
    assert!(repeated.iter().all(|(change, _)| *change == Change::Unchanged), "{repeated:?}");
    let unchanged: Vec<_> = repeated.iter().map(|(_, user)| user).collect();
    assert_eq!(unchanged, created.iter().map(|(_, user)| user).collect::<Vec<_>>());
    assert_eq!(app.database.query(rows), before);

    // What is absent stays, what is empty is set, and the order is that of the request.
    let changed = feeder
        .feed(&[
            UpsertUser { first_name: None, ..user("", "new2@example.com", "") },
            user("", "new3@example.com", "Cid"),
            UpsertUser { last_name: Some(String::new()), ..user("x1", "moved@example.com", "Ann") },
            user("x2", "user3@example.com", "Bob"),
        ])
        .await;
    assert_eq!(
        summary(&changed),
        [
            "Unchanged /new2@example.com/Bob/Fed",
            "Created /new3@example.com/Cid/Fed",
            "Updated x1/moved@example.com/Ann/",
            // A user who had no external id gets it.
            "Updated x2/user3@example.com/Bob/Fed",
        ]
    );
    assert_eq!(changed[2].1.id, created[0].1.id);
    for key in [by_id(&changed[2].1), by_email("Moved@example.com"), by_external_id("x1")] {
        let found = feeder.client.get_user(feeder.request(GetUserRequest { user: key })).await;
        assert_eq!(found.unwrap().into_inner().user.as_ref(), Some(&changed[2].1));
    }
    // A user who is known by an external id need not be named by it.
    let [renamed] = &feeder.feed(&[user("", "moved@example.com", "Eve")]).await[..] else {
        panic!()
    };
    assert_eq!(summary(std::slice::from_ref(renamed)), ["Updated x1/moved@example.com/Eve/Fed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_who_can_not_be_told_apart_are_faults_and_change_nothing() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    feeder
        .feed(&[
            user("x1", "a1@example.com", "A"),
            user("x2", "a2@example.com", "B"),
            user("", "a3@example.com", "C"),
        ])
        .await;
    let rows = "SELECT xmin, * FROM users ORDER BY id";
    let before = app.database.query(rows);
    let new = || user("", "new@example.com", "New");
    let duplicate = "DUPLICATE users[1].email";
    for (users, faults) in [
        // Another user has the email, with or without an external id.
        (vec![new(), user("x1", "a2@example.com", "A")], vec!["EMAIL_TAKEN users[1].email"]),
        (vec![new(), user("x1", "a3@example.com", "A")], vec!["EMAIL_TAKEN users[1].email"]),
        // A new external id, and the email of somebody who has another one.
        (vec![user("x3", "a1@example.com", "A")], vec!["EMAIL_TAKEN users[0].email"]),
        // One by the external id, the other by the email that the first one is about to leave.
        (
            vec![user("x1", "new@example.com", "A"), user("", "a1@example.com", "A")],
            vec![duplicate],
        ),
        (
            vec![user("", "a1@example.com", "A"), user("x1", "new@example.com", "A")],
            vec!["DUPLICATE users[1].external_id"],
        ),
        // A swap, and a chain.
        (
            vec![user("x1", "a2@example.com", "A"), user("x2", "a1@example.com", "B")],
            vec!["EMAIL_TAKEN users[0].email", "EMAIL_TAKEN users[1].email"],
        ),
        (
            vec![user("x1", "new@example.com", "A"), user("x2", "a1@example.com", "B")],
            vec!["EMAIL_TAKEN users[1].email"],
        ),
    ] {
        let status = feeder.try_feed(&users).await.unwrap_err();
        assert_eq!(super::faults::faults(&status), faults, "{users:?}");
        let trial = BatchUpsertUsersRequest { users, validate_only: true };
        let trial = feeder.request(trial);
        let trial = feeder.client.batch_upsert_users(trial).await.unwrap_err();
        assert_eq!(code_and_reasons(&trial), code_and_reasons(&status));
        assert_eq!(app.database.query(rows), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_says_what_would_become_of_each_and_changes_nothing() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let rows = "SELECT xmin, * FROM users ORDER BY id";
    let before = app.database.query(rows);
    let users = vec![
        user("", "new@example.com", "New"),
        user("x1", "user1@example.com", "John"),
        UpsertUser { email: "user2@example.com".to_owned(), ..UpsertUser::default() },
    ];
    let trial = BatchUpsertUsersRequest { users: users.clone(), validate_only: true };
    let trial = feeder.client.batch_upsert_users(feeder.request(trial)).await.unwrap();
    let trial = trial.into_inner().users.into_iter();
    let trial: Vec<_> = trial.map(|user| (user.change(), user.user.unwrap())).collect();
    let expected = [
        "Created /new@example.com/New/Fed",
        "Updated x1/user1@example.com/John/Fed",
        "Unchanged /user2@example.com/Jane/Smith",
    ];
    assert_eq!(summary(&trial), expected);
    assert_eq!(trial[0].1.id, "");
    assert_eq!(app.database.query(rows), before);
    let fed = feeder.feed(&users).await;
    assert_eq!(summary(&fed), expected);
    assert_eq!(fed[1].1, trial[1].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_have_users_with_the_same_names_and_see_none_of_each_other() {
    let app = App::start().await;
    let mut ours = Feeder::new(&app).await;
    let (tenant, ..) = app.other_tenant().await;
    let key = crate::support::new_key();
    app.store_key(tenant, &key, &[domain::Scope::Admin], None).await;
    let mut theirs = Feeder::with_key(&app, key).await;
    let our_user = ours.feed(&[user("x1", "same@example.com", "Ours")]).await;
    let their_user = theirs.feed(&[user("x1", "same@example.com", "Theirs")]).await;
    assert_eq!((our_user[0].0, their_user[0].0), (Change::Created, Change::Created));
    for key in [by_email("same@example.com"), by_external_id("x1")] {
        let found = theirs.client.get_user(theirs.request(GetUserRequest { user: key })).await;
        assert_eq!(found.unwrap().into_inner().user.unwrap().first_name, "Theirs");
    }
    let request = theirs.request(GetUserRequest { user: by_id(&our_user[0].1) });
    let status = theirs.client.get_user(request).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "NOT_FOUND USER_NOT_FOUND");
}
