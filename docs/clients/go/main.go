// Command main creates tasks over REST, once, whatever happens on the way.
//
// It needs Go 1.19 or newer, and no module.
//
//	CASELOAD_URL=http://127.0.0.1:8080 CASELOAD_API_KEY=cl_… go run main.go [CASE_ID]
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	mathrand "math/rand"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

const (
	attemptLimit = 5 * time.Second  // the most that one attempt may take
	callLimit    = 30 * time.Second // the most that all attempts at a call may take, with the pauses
)

// errNoAnswer means that all attempts failed: the service may have done what was asked for, or not.
var errNoAnswer = errors.New("no answer in time")

type newTask struct {
	Description    string   `json:"description"`
	AssigneeEmails []string `json:"assignee_emails,omitempty"`
}

// problem is the service's document for a request that it rejected. A proxy's error has none.
type problem struct {
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Errors []struct {
		Details string `json:"details"`
		Message string `json:"message"`
		Pointer string `json:"pointer"`
	} `json:"errors"`
	retryAfter time.Duration
}

func (p *problem) Error() string { return fmt.Sprintf("%d: %s: %v", p.Status, p.Detail, p.Errors) }

func (p *problem) mayBeRepeated() bool {
	switch p.Status {
	case 429, 502, 503, 504:
		return true
	case 500:
		// A proxy's error has no reasons, and proves nothing.
		return len(p.Errors) == 0 || p.Errors[0].Details == "OUTCOME_UNKNOWN"
	}
	return false
}

// createTasks returns the ids of the tasks. Called again with the same key, it creates nothing twice.
func createTasks(caseID string, tasks []newTask, key string) ([]int64, error) {
	var created struct {
		Tasks []struct{ ID int64 } `json:"tasks"`
	}
	body, err := json.Marshal(map[string]any{"tasks": tasks})
	if err != nil {
		return nil, err
	}
	err = call("POST", "/api/v2/cases/"+caseID+"/tasks/batch", body, key, &created)
	if errors.Is(err, errNoAnswer) {
		// Until its own deadline, the last attempt may still wait in the server.
		time.Sleep(attemptLimit)
		var found struct {
			Record struct {
				TaskIDs []int64 `json:"task_ids"`
			} `json:"idempotency_key"`
		}
		err = call("GET", "/api/v2/idempotency-keys/"+url.PathEscape(key), nil, "", &found)
		return found.Record.TaskIDs, err
	}
	ids := []int64{}
	for _, task := range created.Tasks {
		ids = append(ids, task.ID)
	}
	return ids, err
}

// call makes a call that may be repeated: a read, an update, or a create with a key.
func call(method, path string, body []byte, key string, answer any) error {
	end := time.Now().Add(callLimit)
	for longest := 100 * time.Millisecond; ; longest *= 2 {
		// What is left of the time. The same key goes with every attempt.
		limit := time.Until(end)
		if limit > attemptLimit {
			limit = attemptLimit
		}
		err := send(method, path, body, key, limit, answer)
		if err == nil {
			return nil
		}
		// Any other error is that of a connection.
		pause := time.Duration(0)
		if rejected := (*problem)(nil); errors.As(err, &rejected) {
			if !rejected.mayBeRepeated() {
				return err
			}
			pause = rejected.retryAfter
		}
		// A random pause, so that clients that failed together don't come back together.
		if longest > 3*time.Second {
			longest = 3 * time.Second
		}
		pause += time.Duration(mathrand.Int63n(int64(longest)))
		if time.Now().Add(pause + 100*time.Millisecond).After(end) {
			return fmt.Errorf("%w: %v", errNoAnswer, err)
		}
		time.Sleep(pause)
	}
}

func send(method, path string, body []byte, key string, limit time.Duration, answer any) error {
	// A second more than the service has, so that its own answer comes first.
	ctx, cancel := context.WithTimeout(context.Background(), limit+time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, os.Getenv("CASELOAD_URL")+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("CASELOAD_API_KEY"))
	request.Header.Set("Request-Timeout", fmt.Sprintf("%.3f", limit.Seconds()))
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode < 300 {
		return json.Unmarshal(text, answer)
	}
	rejected := &problem{}
	if json.Unmarshal(text, rejected) != nil {
		rejected = &problem{Detail: "no problem document"}
	}
	rejected.Status = response.StatusCode
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		rejected.retryAfter = time.Duration(seconds) * time.Second
	}
	return rejected
}

func main() {
	mathrand.Seed(time.Now().UnixNano())
	caseID := "1"
	if len(os.Args) > 1 {
		caseID = os.Args[1]
	}
	// Store the key with the work to be done, before the first attempt: then a program that is started
	// again repeats the request, instead of making another one.
	key := make([]byte, 16)
	if _, err := rand.Read(key); err != nil {
		log.Fatal(err)
	}
	tasks := []newTask{
		{Description: "Collect the logs", AssigneeEmails: []string{"user1@example.com"}},
		{Description: "Call the customer"},
	}
	ids, err := createTasks(caseID, tasks, hex.EncodeToString(key))
	if err != nil {
		log.Fatal(err)
	}
	answer, _ := json.Marshal(map[string]any{"task_ids": ids})
	fmt.Println(string(answer))
}
