package e2e_test

import (
	"net/url"
	"testing"
	"time"
)

// The people of the demonstration's provider, in the order of its page.
const (
	claire = iota // the host
	hugo          // a colleague
	sam           // a stranger
)

// The invitees who prove a mailbox.
const (
	jeanne = "jeanne.durand@exemple.example"
	marc   = "marc.leroy@exemple.example"
)

// one is a form of one value.
func one(k, v string) url.Values { return url.Values{k: {v}} }

// signsIn goes through the provider as one of its people. The page must be the
// provider's.
func (v *visitor) signsIn(person int) *visitor {
	v.t.Helper()
	return v.submit("/login", one("person", v.form("/login").Buttons[person]))
}

// asHost is the host at the console.
func (h *house) asHost(t *testing.T) *visitor {
	t.Helper()
	v := h.visitor(t)
	v.open(h.Host.Login).submit("/signin", one("provider", "demo")).signsIn(claire)
	v.want(200, "Consultation J. D.")
	return v.open(h.Door + "/m/" + h.Meeting)
}

// proves has the visitor prove the mailbox of a link.
func (h *house) proves(v *visitor, link, address string, seen ...string) *visitor {
	v.t.Helper()
	v.open(link).submit("/code", nil)
	return v.submit("/verify", one("code", h.code(v.t, address, seen...)))
}

// knocks takes the visitor from the name page to the waiting room.
func (v *visitor) knocks(name string) *visitor {
	v.t.Helper()
	return v.submit("/knock", url.Values{"name": {name}, "consent": {"1"}})
}

// guest brings an invitee with a mailbox to the waiting room.
func (h *house) guest(t *testing.T, name, address string) *visitor {
	t.Helper()
	v := h.proves(h.visitor(t), h.link(t, name), address).knocks(name)
	v.admission()
	return v
}

// answers has the host admit or refuse somebody.
func (v *visitor) answers(console, admission, answer string) *visitor {
	v.t.Helper()
	f := v.open(console).form("/answer", "admission", admission)
	f.Values.Set("answer", answer)
	return v.post(f)
}

// expels has the host put somebody out.
func (v *visitor) expels(console, admission string) *visitor {
	v.t.Helper()
	return v.post(v.open(console).form("/expel", "admission", admission))
}

// enters takes an admitted visitor into the room by the ticket.
func (v *visitor) enters() *visitor {
	v.t.Helper()
	return v.submit("/enter", nil).submit("/-/enter", nil)
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("within 20 s it did not come true that %s", what)
}
