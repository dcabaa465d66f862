package ci_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/fwc-dev/fwc/ci"
)

var (
	screenshots = flag.String("screenshots", "", "write pictures of the pages to this directory")
	browser     = flag.Bool("browser", false, "fail where there is no Chromium")
)

// TestBrowser opens the pages in Chromium: light, dark and on a narrow screen
// nothing may be complained of, asked for or wider than the screen, and the
// filter does what it says.
func TestBrowser(t *testing.T) {
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && program == "" {
			program = path
		}
	}
	if program == "" {
		if *browser {
			t.Fatal("no chromium")
		}
		t.Skip("no chromium: make test-html installs it")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()))
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	defer cancel()
	var heard hearing
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(heard.event))
	defer cancel()
	for _, err := range []error{call(ctx, log.Enable, cdp.Empty{}), call(ctx, network.Enable, network.EnableParams{})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	old, new := hostileSides()
	router, _ := archivePage(t, "router")
	packets, _ := archivePage(t, "packets")
	equal, _ := archivePage(t, "equal")
	hostile, _ := pageOf(t, old, new, false, ci.HTMLOptions{Limit: 400_000})
	large := largePage(t)
	translated, _ := archivePage(t, "translated")
	for name, raw := range map[string][]byte{"router": router, "packets": packets, "translated": translated, "equal": equal, "hostile": hostile, "large": large} {
		file := filepath.Join(t.TempDir(), name+".html")
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, look := range []struct {
			name, scheme string
			width        int64
		}{{"light", "light", 1200}, {"dark", "dark", 1200}, {"narrow", "light", 360}, {"narrow-dark", "dark", 360}} {
			if name == "hostile" && look.scheme == "dark" {
				continue
			}
			heard.reset()
			start := time.Now()
			open(t, ctx, file, look.scheme, look.width)
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("%s, %s: took %s to open", name, look.name, took)
			} else if name == "large" {
				t.Logf("%d bytes, %s: %s to open", len(raw), look.name, took)
			}
			complaints, requests := heard.reset()
			if len(complaints) > 0 {
				t.Errorf("%s, %s: %q", name, look.name, complaints)
			}
			if len(requests) != 1 {
				t.Errorf("%s, %s: asks for %q", name, look.name, requests)
			}
			if wide := evaluate[string](t, ctx, widest); wide != "" {
				t.Errorf("%s, %s: wider than the screen: %s", name, look.name, wide)
			}
			if faint := evaluate[string](t, ctx, faintest); faint != "" {
				t.Errorf("%s, %s: too little contrast: %s", name, look.name, faint)
			}
			if dark := evaluate[string](t, ctx, "getComputedStyle(document.body).backgroundColor"); (dark == "rgb(251, 251, 249)") != (look.scheme == "light") {
				t.Errorf("%s, %s: background %s", name, look.name, dark)
			}
			if *screenshots != "" && name != "hostile" {
				picture(t, ctx, filepath.Join(*screenshots, name+"-"+look.name+".png"))
			}
		}
		named(t, ctx, name)
		switch name {
		case "packets":
			filters(t, ctx)
		case "translated":
			// What is told of both journeys stays for either.
			if got := evaluate[string](t, ctx, `['', 'input', 'forward'].map((journey) => {
				document.querySelector('select[name=journey]').value = journey;
				document.querySelector('.filter').dispatchEvent(new Event('input', {bubbles: true}));
				return [...document.querySelectorAll('.regions tbody')].filter((r) => r.offsetHeight > 0).length;
			}).join(' ')`); got != "2 2 1" {
				t.Errorf("of all journeys, input and forward %s cases are shown", got)
			}
		}
	}
}

// largePage is the page of 10,000 rules of which a hundredth changed.
func largePage(t *testing.T) []byte {
	t.Helper()
	const rules = 10_000
	old, new := make([]string, rules), make([]string, rules)
	for i := range rules {
		old[i] = fmt.Sprintf("-A FORWARD -s 10.%d.%d.0/24 -d 172.16.%d.%d/32 -p tcp -m tcp --dport %d -j ACCEPT", i>>8, i&255, i>>8&255, i&255, 1000+i%64)
		if new[i] = old[i]; i%100 == 7 {
			new[i] = strings.Replace(old[i], "ACCEPT", []string{"DROP", "REJECT --reject-with tcp-reset"}[i/100%2], 1)
		}
	}
	raw, _ := pageOf(t, randomSide(t, old), randomSide(t, new), true, ci.HTMLOptions{})
	if len(raw) > 4<<20 {
		t.Errorf("the page of %d rules has %d bytes", rules, len(raw))
	}
	return raw
}

// hearing is what a page complains of and asks for.
type hearing struct {
	sync.Mutex
	complaints, requests []string
}

func (h *hearing) event(event any) {
	h.Lock()
	defer h.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		h.complaints = append(h.complaints, fmt.Sprint("console: ", e.Type))
	case *runtime.EventExceptionThrown:
		h.complaints = append(h.complaints, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		h.complaints = append(h.complaints, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		h.requests = append(h.requests, e.Request.URL)
	}
}

func (h *hearing) reset() (complaints, requests []string) {
	h.Lock()
	defer h.Unlock()
	complaints, requests = h.complaints, h.requests
	h.complaints, h.requests = nil, nil
	return complaints, requests
}

func call[P, R any](ctx context.Context, cmd cdp.Command[P, R], params P) error {
	_, err := chromedp.Call(ctx, cmd, params)
	return err
}

// widest says by how much the page is too wide and what is, "" for a page that
// fits. What scrolls by itself may be as wide as it likes.
const widest = `(() => {
	const room = document.documentElement.clientWidth;
	const wide = [...document.querySelectorAll('body *')].filter((e) => !e.closest('.scroll, .vh, .symbols, .skip') && (e.getBoundingClientRect().right > room + 1 || e.getBoundingClientRect().left < -1));
	return document.documentElement.scrollWidth > room || wide.length ? document.documentElement.scrollWidth + ' ' + wide.slice(0, 3).map((e) => e.outerHTML.slice(0, 80)).join(' ') : '';
})()`

// faintest names text whose contrast is below what WCAG 2.2 asks for (1.4.3).
const faintest = `(() => {
	const channels = (color) => (color.match(/[\d.]+/g) || []).map(Number);
	const light = (c) => c.slice(0, 3).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const c = channels(getComputedStyle(e).backgroundColor);
			if (c.length === 3 || c[3] > 0) return c;
		}
	};
	const faint = [];
	for (const e of document.querySelectorAll('body *')) {
		if (e.closest('svg, .vh, .skip') || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length) continue;
		const style = getComputedStyle(e), a = light(channels(style.color)), b = light(behind(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), size = parseFloat(style.fontSize);
		if (ratio < (size >= 24 || size >= 18.66 && style.fontWeight >= 700 ? 3 : 4.5)) faint.push(ratio.toFixed(2) + ' ' + e.outerHTML.slice(0, 60));
	}
	return faint.slice(0, 5).join(' | ');
})()`

// named checks that whatever takes the focus says what it is.
func named(t *testing.T, ctx context.Context, page string) {
	t.Helper()
	tree, err := chromedp.Call(ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		switch role := strings.Trim(string(n.Role.Value), `"`); role {
		case "link", "button", "searchbox", "textbox", "combobox", "radio", "table", "region", "DisclosureTriangle":
			seen++
			if n.Name == nil || strings.Trim(string(n.Name.Value), `"`) == "" {
				t.Errorf("%s: a %s without a name", page, role)
			}
		}
	}
	if seen == 0 && page != "equal" {
		t.Errorf("%s: nothing to name", page)
	}
}

func open(t *testing.T, ctx context.Context, file, scheme string, width int64) {
	t.Helper()
	for _, err := range []error{
		call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 600}),
		call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}),
		chromedp.Do(ctx, chromedp.Navigate("file://"+file)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func evaluate[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%v: %s", err, script)
	}
	return out
}

// filters types and clicks as a reader does.
func filters(t *testing.T, ctx context.Context) {
	t.Helper()
	const rows = `[...document.querySelectorAll('.regions tbody')].filter((r) => r.offsetHeight > 0).map((r) => r.dataset.change).join(' ')`
	check := func(what, want string, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := evaluate[string](t, ctx, rows); got != want {
			t.Errorf("%s: %q is shown, not %q", what, got, want)
		}
	}
	everything := evaluate[string](t, ctx, rows)
	if !strings.HasPrefix(everything, "allowed blocked blocked other") {
		t.Errorf("at first %q is shown", everything)
	}
	check("text", "blocked", chromedp.SendKeys(chromedp.CSS(`input[name=text]`), "10.0.0.0 LIMIT"))
	if got := evaluate[string](t, ctx, `document.querySelector('.shown').textContent`); got != fmt.Sprint("1 of ", strings.Count(everything, " ")+1) {
		t.Errorf("%q", got)
	}
	check("nothing", "", chromedp.SendKeys(chromedp.CSS(`input[name=text]`), " absent"))
	check("again", everything, chromedp.Click(chromedp.CSS(`.nothing button`)))
	check("change", "blocked blocked", chromedp.Click(chromedp.CSS(`input[value=blocked] + span`)))
	check("journey", "blocked", chromedp.SetValue(chromedp.CSS(`select[name=journey]`), "input"),
		chromedp.Evaluate[chromedp.Void](`document.querySelector('.filter').dispatchEvent(new Event('input', {bubbles: true}))`))
	// A chain that is folded opens when a link leads there.
	if got := evaluate[bool](t, ctx, `(() => {
		document.querySelector('[data-fold=""]').click();
		const closed = !document.querySelector('.chain[open]');
		const link = document.querySelector('.matrix a');
		link.click();
		dispatchEvent(new Event('hashchange'));
		return closed && document.getElementById(link.hash.slice(1)).open;
	})()`); !got {
		t.Error("a link does not unfold its chain")
	}
}

func picture(t *testing.T, ctx context.Context, file string) {
	t.Helper()
	beyond := true
	shot, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &beyond})
	if err != nil {
		t.Fatal(err)
	}
	png := shot.Data
	if err := os.MkdirAll(*screenshots, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, png, 0o644); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(png), "\x89PNG") {
		t.Errorf("%s is no picture", file)
	}
}
