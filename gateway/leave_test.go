package gateway_test

import (
	"crypto/rand"
	"net/http"
	"testing"

	"vestibule/auth/authtest"
	"vestibule/conference/conferencetest"
	"vestibule/conference/livekit"
	"vestibule/meeting"
	"vestibule/store"
)

// twins opens two nodes of one site.
func twins(t *testing.T, leaves bool) (a, b *site) {
	t.Helper()
	fake := conferencetest.NewFake(t)
	lk, err := livekit.New(livekit.Config{URL: fake.URL, Key: fake.Key, Secret: fake.Secret})
	if err != nil {
		t.Fatal(err)
	}
	c := setup{store: store.NewMemory(), backend: lk, secret: []byte(rand.Text() + rand.Text()), id: newInstitution(), signOutLeaves: leaves}
	return openWith(t, c), openWith(t, c)
}

// via is the same browser, led to another node.
func (v *visitor) via(s *site) *visitor {
	o := s.visit()
	o.jar, o.c.Jar, o.plain.Jar, o.csrf = v.jar, v.jar, v.jar, v.csrf
	return o
}

// TestSignOutLeaves has somebody who is in a room by one node sign out, in each
// way there is, at the other: where the site says so they are out, and nobody
// else is.
func TestSignOutLeaves(t *testing.T) {
	t.Parallel()
	tell := func(edit func(authtest.Claims)) func(*testing.T, *visitor) {
		return func(t *testing.T, v *visitor) {
			v.want(v.s.tell(v.s.token(edit)), http.StatusOK, "the provider's word")
		}
	}
	for name, signOut := range map[string]func(*testing.T, *visitor){
		"at the door":                      func(_ *testing.T, v *visitor) { v.want(v.post("/signout", nil), http.StatusOK, "signing out") },
		"at the provider, by session":      tell(bySID("", "sid-dr-1")),
		"at the provider, everywhere":      tell(bySID("dr-1", "")),
		"by another person's sitting down": func(_ *testing.T, v *visitor) { v.get("/"); v.signIn("/signin", stranger()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, leaves := range []bool{true, false} {
				here, there := twins(t, leaves)
				who := doctor()
				desk, theatre := here.host(who), here.host(surgeon())
				mine, other := desk.meet(nil, "Jane Doe"), theatre.meet(nil, "Jane Doe")
				inside, stays := desk.via(there), theatre.via(there)
				room, untouched := inside.opens(mine), stays.opens(other)
				admission := mine.snapshot().Admissions[0].ID
				signOut(t, desk)
				if !leaves {
					if got := mine.state(admission); got != meeting.Admitted {
						t.Errorf("where the site does not say so, the admission is %v after the sign-out", got)
					}
					room.open(t, "the room of who signed out")
					continue
				}
				room.ended(t)
				if got := mine.state(admission); got != meeting.Left {
					t.Errorf("the admission is %v after the sign-out, want left", got)
				}
				if s, code := inside.dial(nil); s != nil || code != http.StatusForbidden && code != http.StatusUnauthorized {
					t.Errorf("the pass answers %d after the sign-out, want 401 or 403", code)
				}
				untouched.open(t, "the other one's room")
				// They come back by signing in.
				again := here.host(who)
				again.opens(mine).open(t, "the room after signing in again")
			}
		})
	}
}

func (s *socket) open(t *testing.T, what string) {
	t.Helper()
	if !s.ping(t) {
		t.Errorf("%s is cut", what)
	}
}

// TestSignOutMeetsAKnock has the provider end a sign-in while the lobby lets it
// in: whichever is first, nobody is left inside.
func TestSignOutMeetsAKnock(t *testing.T) {
	t.Parallel()
	s, _ := twins(t, true)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	m.settles() // the hook below is for the knock, not for what becomes of a mail
	token := s.token(bySID("dr-1", ""))
	told := func() { h.want(s.tell(token), http.StatusOK, "the provider's word") }
	s.valve.meanwhile.Store(&told)
	h.want(h.post(m.path("/enter"), nil), http.StatusUnauthorized, "entering while being signed out")
	if a := m.snapshot().Admissions; len(a) != 1 || a[0].State != meeting.Left {
		t.Errorf("the admissions are %+v, want one, left", a)
	}
}
