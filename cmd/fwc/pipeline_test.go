package main_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The pipelines' own files.
const (
	actionDir      = "../../ci/github"
	gitlabTemplate = "../../ci/gitlab/fwc.yml"
)

// forgeAPI stands for the API of GitHub or GitLab, of which only the servers
// themselves have a real one: artifacts to fetch, comments to read and write.
type forgeAPI struct {
	*httptest.Server
	sync.Mutex
	comments  []comment
	artifacts []map[string]any
	archives  map[string][]byte
	mayWrite  bool
	requests  []string
}

type comment struct {
	ID   int    `json:"id"`
	Body string `json:"body"`
	User struct {
		Login string `json:"login"`
	} `json:"user"`
}

func newForgeAPI(t *testing.T) *forgeAPI {
	f := &forgeAPI{archives: map[string][]byte{}, mayWrite: true}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *forgeAPI) serve(w http.ResponseWriter, r *http.Request) {
	f.Lock()
	defer f.Unlock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	if r.Header.Get("Authorization") != "Bearer secret" && r.Header.Get("JOB-TOKEN") != "secret" {
		http.Error(w, "who is that", http.StatusUnauthorized)
		return
	}
	page := func(list []any) []any {
		n, _ := strconv.Atoi(r.URL.Query().Get("page"))
		size, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
		from := min(len(list), (max(n, 1)-1)*size)
		return list[from:min(len(list), from+size)]
	}
	var in comment
	if r.Method != "GET" {
		if !f.mayWrite {
			http.Error(w, "Resource not accessible by integration", http.StatusForbidden)
			return
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	list := []any{}
	switch path := r.URL.Path; {
	case path == "/repos/o/r/actions/artifacts":
		for _, a := range f.artifacts {
			list = append(list, a)
		}
		json.NewEncoder(w).Encode(map[string]any{"artifacts": page(list)})
	case f.archives[path] != nil:
		w.Write(f.archives[path])
	case path == "/repos/o/r/issues/7/comments" && r.Method == "GET":
		for _, c := range f.comments {
			list = append(list, c)
		}
		json.NewEncoder(w).Encode(page(list))
	case path == "/repos/o/r/issues/7/comments" && r.Method == "POST":
		in.ID = len(f.comments) + 1
		in.User.Login = "github-actions[bot]"
		f.comments = append(f.comments, in)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, "{}")
	case strings.HasPrefix(path, "/repos/o/r/issues/comments/") && r.Method == "PATCH":
		id, _ := strconv.Atoi(filepath.Base(path))
		f.comments[id-1].Body = in.Body
		fmt.Fprint(w, "{}")
	default:
		http.NotFound(w, r)
	}
}

// artifact adds an artifact of a branch.
func (f *forgeAPI) artifact(run, repository int, branch, at, file string, data []byte) {
	path := fmt.Sprintf("/archive/%d/%d", run, repository)
	f.archives[path] = zipped(file, data)
	f.artifacts = append([]map[string]any{{"name": "router", "expired": false, "created_at": at, "archive_download_url": f.URL + path,
		"workflow_run": map[string]any{"id": run, "head_branch": branch, "head_repository_id": repository}}}, f.artifacts...)
}

func zipped(name string, data []byte) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.Create(name)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(err)
	}
	return out.Bytes()
}

// job is a run of the action for one pull request.
type job struct {
	t    *testing.T
	dir  string
	env  map[string]string
	outs map[string]string
}

func newJob(t *testing.T, f *forgeAPI, env map[string]string) *job {
	j := &job{t: t, dir: t.TempDir(), outs: map[string]string{}}
	j.env = map[string]string{
		"RUNNER_TEMP": j.dir, "GITHUB_API_URL": f.URL, "GITHUB_SERVER_URL": "https://github.example", "GITHUB_REPOSITORY": "o/r", "REPOSITORY_ID": "42",
		"GITHUB_RUN_ID": "99", "GITHUB_BASE_REF": "main", "GITHUB_REF_NAME": "7/merge", "GITHUB_TOKEN": "secret", "INPUT_NAME": "router", "INPUT_FWC": "fwc",
		"INPUT_AUTHOR": "github-actions[bot]", "GITHUB_STEP_SUMMARY": filepath.Join(j.dir, "summary"), "GITHUB_OUTPUT": filepath.Join(j.dir, "output"),
		"GITHUB_EVENT_PATH": filepath.Join(j.dir, "event.json"), "SOURCE_DATE_EPOCH": "1750000000",
	}
	j.write("event.json", `{"pull_request": {"number": 7, "title": "$(touch pwned)"}}`)
	j.write("summary", "")
	for k, v := range env {
		j.env[k] = v
	}
	return j
}

func (j *job) write(name, text string) {
	j.t.Helper()
	if err := os.WriteFile(filepath.Join(j.dir, name), []byte(text), 0o644); err != nil {
		j.t.Fatal(err)
	}
}

func (j *job) read(name string) string {
	j.t.Helper()
	data, err := os.ReadFile(filepath.Join(j.dir, name))
	if err != nil {
		j.t.Fatal(err)
	}
	return string(data)
}

// step runs a script of the action and reads its outputs.
func (j *job) step(name string) (string, error) {
	j.t.Helper()
	j.write("output", "")
	script, err := filepath.Abs(filepath.Join(actionDir, name))
	if err != nil {
		j.t.Fatal(err)
	}
	out, err := j.run(script)
	for line := range strings.Lines(j.read("output")) {
		if k, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			j.outs[k] = v
		}
	}
	return out, err
}

func (j *job) run(command string, args ...string) (string, error) {
	cmd := exec.Command(command, args...)
	cmd.Dir = j.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME=" + j.dir, "TMPDIR=" + j.dir}
	for k, v := range j.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// review runs all steps for a script.
func (j *job) review(script string) (log string) {
	j.t.Helper()
	j.write("fw.sh", script)
	j.env["INPUT_SCRIPT"] = "fw.sh"
	steps := []struct{ script, from, to string }{{"build.sh", "fwc", "FWC"}, {"base.sh", "artifact", "BASE"}, {"review.sh", "review", "REVIEW"}, {"comment.sh", "", ""}}
	for _, s := range steps {
		delete(j.outs, s.from)
		out, err := j.step(s.script)
		if log += out; err != nil {
			j.t.Fatalf("%s: %v\n%s", s.script, err, out)
		}
		if j.env[s.to] = j.outs[s.from]; s.to == "REVIEW" && j.env[s.to] == "" {
			return log // as the action has it: nothing to comment
		}
	}
	return log
}

const (
	scriptBefore = "iptables -P INPUT DROP\niptables -A INPUT -p tcp --dport 22 -j ACCEPT\n"
	scriptAfter  = scriptBefore + "iptables -A INPUT -p tcp --dport 8443 -j ACCEPT\n"
)

// before builds what the base branch has.
func before(t *testing.T, f *forgeAPI) []byte {
	t.Helper()
	j := newJob(t, f, map[string]string{"GITHUB_BASE_REF": "", "GITHUB_REF_NAME": "main"})
	log := j.review(scriptBefore)
	if !strings.Contains(log, "main has built no artifact named router yet") || !strings.Contains(j.read("summary"), "nothing to compare with") {
		t.Errorf("the first build says\n%s\n%s", log, j.read("summary"))
	}
	return []byte(j.read("fwc/router/router.artifact"))
}

// TestActionComments runs the action's steps against an API: the first run
// makes the comment, the second writes into the same, and nothing that another
// person or a fork put there misleads it.
func TestActionComments(t *testing.T) {
	f := newForgeAPI(t)
	base := before(t, f)
	f.artifact(10, 42, "main", "2026-01-01T00:00:00Z", "router.artifact", base)
	f.artifact(11, 42, "topic", "2026-01-02T00:00:00Z", "router.artifact", []byte("of another branch"))
	f.artifact(12, 66, "main", "2026-01-03T00:00:00Z", "router.artifact", []byte("of a fork whose branch is called main"))
	for i := range 150 {
		f.artifact(100+i, 42, "topic", "2026-01-04T00:00:00Z", "router.artifact", []byte("of another branch"))
	}
	stranger := comment{ID: 1, Body: "<!-- fwc: router -->\nnot ours"}
	stranger.User.Login = "mallory"
	f.comments = []comment{stranger}
	for i := range 120 {
		f.comments = append(f.comments, comment{ID: i + 2, Body: "talk"})
	}

	j := newJob(t, f, nil)
	log := j.review(scriptAfter)
	if len(f.comments) != 122 {
		t.Fatalf("%d comments\n%s", len(f.comments), log)
	}
	body := f.comments[121].Body
	for _, want := range []string{"<!-- fwc: router -->\n### Firewall: `base/router.artifact (", "1 newly allowed", "any → any:8443", "https://github.example/o/r/actions/runs/99"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	if !strings.Contains(j.read("summary"), "1 newly allowed") {
		t.Errorf("the summary is\n%s", j.read("summary"))
	}
	if j.outs["changed"] != "true" || j.outs["allowed"] != "1" || j.outs["blocked"] != "0" {
		t.Errorf("outputs %v", j.outs)
	}
	if page := j.read("fwc/router/review/review.html"); !strings.HasPrefix(page, "<!DOCTYPE html>") {
		t.Errorf("the page begins with %.40q", page)
	}
	if strings.Contains(log, "secret") {
		t.Error("the log has the token")
	}

	again := newJob(t, f, map[string]string{"GITHUB_RUN_ID": "100"})
	again.review(scriptBefore)
	if len(f.comments) != 122 || !strings.Contains(f.comments[121].Body, "the same firewall") || f.comments[0].Body != stranger.Body {
		t.Errorf("%d comments, the last\n%s", len(f.comments), f.comments[121].Body)
	}
	if again.outs["changed"] != "false" {
		t.Errorf("outputs %v", again.outs)
	}
}

// TestActionFromFork is a pull request from a fork: with a token that may only
// read, or with none, the review is in the summary and the job succeeds.
func TestActionFromFork(t *testing.T) {
	f := newForgeAPI(t)
	base := before(t, f)
	f.artifact(10, 42, "main", "2026-01-01T00:00:00Z", "router.artifact", base)
	f.mayWrite = false
	j := newJob(t, f, nil)
	log := j.review(scriptAfter)
	if len(f.comments) != 0 || !strings.Contains(log, "this token may not comment") || !strings.Contains(j.read("summary"), "any → any:8443") {
		t.Errorf("read-only token: %d comments\n%s\n%s", len(f.comments), log, j.read("summary"))
	}
	f.mayWrite, f.requests = true, nil
	j = newJob(t, f, map[string]string{"GITHUB_TOKEN": "", "INPUT_AGAINST": filepath.Join(t.TempDir(), "given.artifact")})
	if err := os.WriteFile(j.env["INPUT_AGAINST"], base, 0o644); err != nil {
		t.Fatal(err)
	}
	log = j.review(scriptAfter)
	if len(f.comments) != 0 || len(f.requests) != 0 || !strings.Contains(log, "no token to comment with") || !strings.Contains(j.read("summary"), "any → any:8443") {
		t.Errorf("no token: %d comments, requests %q\n%s", len(f.comments), f.requests, log)
	}
}

// TestActionInput feeds the action what an attacker would: names with markup
// and line breaks, a script whose name is a command, a failing script.
func TestActionInput(t *testing.T) {
	f := newForgeAPI(t)
	for _, name := range []string{"", "a b", "../x", "a\nb", "a-->b", "$(touch pwned)", "-x", strings.Repeat("x", 200)} {
		j := newJob(t, f, map[string]string{"INPUT_NAME": name, "INPUT_SCRIPT": "fw.sh"})
		for _, step := range []string{"build.sh", "base.sh", "review.sh", "comment.sh"} {
			if out, err := j.step(step); err == nil || !strings.Contains(out, "::error title=fwc::the name may have") {
				t.Errorf("%s takes the name %q: %s", step, name, out)
			}
		}
	}
	j := newJob(t, f, map[string]string{"INPUT_SCRIPT": "$(touch pwned) `touch pwned`; touch pwned #", "INPUT_FLAGS": "--label\na=$(touch pwned)\n"})
	if out, err := j.step("build.sh"); err == nil {
		t.Errorf("a script that is not there builds: %s", out)
	}
	j.write("-o", "iptables -A INPUT -j ACCEPT\n")
	j.env["INPUT_SCRIPT"] = "./-o"
	if out, err := j.step("build.sh"); err != nil || j.outs["artifact"] == "" {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(j.dir, "pwned")); err == nil {
		t.Error("an input ran")
	}
	if len(f.requests) > 0 {
		t.Errorf("requests %q", f.requests)
	}
}

// TestActionFile holds the action's file to what keeps it safe, and has
// actionlint check its steps as those of a workflow with the same inputs.
func TestActionFile(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(actionDir, "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no workflows", err)
	}
	for _, file := range append(files, filepath.Join(actionDir, "action.yml")) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^\s*(?:- )?uses: (\S+)`).FindAllStringSubmatch(string(data), -1) {
			if !strings.HasPrefix(m[1], "./") && !regexp.MustCompile(`@[0-9a-f]{40}$`).MatchString(m[1]) {
				t.Errorf("%s: %s is not pinned", file, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`(?m)^\s*(?:- )?run: .*`).FindAllString(string(data), -1) {
			if strings.Contains(m, "${{") {
				t.Errorf("%s: an expression in a script: %s", file, m)
			}
		}
	}
	part := func(from, to string) string {
		_, rest, _ := strings.Cut(text, "\n"+from+":\n")
		if to != "" {
			rest, _, _ = strings.Cut(rest, "\n"+to+":\n")
		}
		return rest
	}
	indent := func(s, by string) string {
		return regexp.MustCompile(`(?m)^(.+)$`).ReplaceAllString(s, by+"$1")
	}
	inputs := regexp.MustCompile(`(?m)^  [a-z]+:$`).ReplaceAllString(part("inputs", "outputs"), "$0\n    type: string")
	inputs = strings.Replace(inputs, "default: ${{ github.token }}", "default: token", 1)
	steps := strings.TrimPrefix(part("runs", ""), "  using: composite\n")
	workflow := "name: action\non:\n  workflow_call:\n    inputs:\n" + indent(inputs, "    ") +
		"\njobs:\n  action:\n    runs-on: ubuntu-24.04\n" + indent(steps, "  ")
	file := filepath.Join(t.TempDir(), "action.yml")
	if err := os.WriteFile(file, []byte(workflow), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{file}, files} {
		if out, err := exec.Command("go", append([]string{"tool", "actionlint", "-no-color"}, args...)...).CombinedOutput(); err != nil {
			t.Errorf("actionlint: %v\n%s", err, out)
		}
	}
	if strings.Count(steps, "${{") < 10 {
		t.Errorf("the steps are not what was checked:\n%s", workflow)
	}
}

// TestGitLabTemplate checks the template's script and runs it against an API.
func TestGitLabTemplate(t *testing.T) {
	data, err := os.ReadFile(gitlabTemplate)
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(data), "  script:\n    - |\n")
	block, _, _ = strings.Cut(block, "\n  artifacts:\n")
	script := regexp.MustCompile(`(?m)^      `).ReplaceAllString(block, "")
	check := exec.Command("shellcheck", "-s", "sh", "-")
	check.Stdin = strings.NewReader(script)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %s", out)
	}
	f := newForgeAPI(t)
	run := func(text string) *job {
		t.Helper()
		j := newJob(t, f, map[string]string{"CI_JOB_TOKEN": "secret", "CI_API_V4_URL": f.URL, "CI_PROJECT_ID": "5", "CI_JOB_NAME": "the router",
			"CI_DEFAULT_BRANCH": "main", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "stable/1", "FWC_SCRIPT": "fw.sh", "FWC_FLAGS": "--label role=router"})
		j.write("fw.sh", text)
		j.write("job.sh", script)
		if out, err := j.run("sh", "job.sh"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return j
	}
	first := run(scriptBefore + "ip6tables -P INPUT DROP\niptables -A INPUT -s 10.0.0.1 -p tcp --dport 22 -j DROP\n")
	odd := first.read("fwc-quality.json")
	if strings.Count(odd, `"check_name"`) != 1 || !strings.Contains(odd, `"check_name": "fwc-never-matches"`) || !strings.Contains(odd, `"begin": 4`) {
		t.Errorf("the first run finds %s", odd)
	}
	f.archives["/projects/5/jobs/artifacts/stable/1/download"] = zipped("fwc.artifact", []byte(first.read("fwc.artifact")))
	second := run(scriptAfter + "ip6tables -P INPUT DROP\n")
	var findings []struct {
		Description string `json:"description"`
		CheckName   string `json:"check_name"`
		Fingerprint string `json:"fingerprint"`
		Severity    string `json:"severity"`
		Location    struct {
			Path  string `json:"path"`
			Lines struct {
				Begin int `json:"begin"`
			} `json:"lines"`
		} `json:"location"`
	}
	if err := json.Unmarshal([]byte(second.read("fwc-quality.json")), &findings); err != nil {
		t.Fatal(err)
	}
	if len(findings) != 1 || findings[0].CheckName != "fwc-allowed" || findings[0].Severity != "major" || findings[0].Location.Path != "fw.sh" ||
		findings[0].Location.Lines.Begin != 3 || findings[0].Fingerprint == "" || !strings.Contains(findings[0].Description, "any → any:8443") {
		t.Errorf("%+v", findings)
	}
	// A policy has a line, too, and a family that nobody speaks of that of the
	// other's policy.
	third := run(scriptBefore + "true\niptables -P FORWARD DROP\n")
	findings = nil
	if err := json.Unmarshal([]byte(third.read("fwc-quality.json")), &findings); err != nil {
		t.Fatal(err)
	}
	lines := map[string]int{}
	for _, x := range findings {
		lines[x.CheckName+" "+strings.Join(strings.Fields(x.Description)[:4], " ")] = x.Location.Lines.Begin
	}
	at := strings.Count(scriptBefore, "\n") + 2
	if lines["fwc-ipv6-open ip6 filter FORWARD: IPv6"] != at || lines["fwc-blocked newly blocked: forward ip"] != at {
		t.Errorf("the policy of line %d is told at %v", at, lines)
	}
	for _, name := range []string{"fwc-review.html", "fwc-review.md", "fwc-review.json"} {
		if second.read(name) == "" {
			t.Errorf("%s is empty", name)
		}
	}
}
