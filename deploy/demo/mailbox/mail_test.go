package mailbox_test

import (
	"strings"
	"testing"

	"vestibule/deploy/demo/mailbox"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, raw           string
		subject, text, html string
		files               int
		broken              bool
	}{
		{name: "plain", raw: "Subject: s\n\nbody\n", subject: "s", text: "body\n"},
		{name: "no type, no subject", raw: "From: a@example.org\n\nbody", text: "body"},
		{name: "Latin-1, quoted", raw: "Subject: =?iso-8859-1?Q?=E9t=E9?=\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nca=\nf=E9", subject: "été", text: "café"},
		{name: "UTF-8, base64", raw: "Subject: =?utf-8?B?w6k=?=\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nw6k=\n", subject: "é", text: "é"},
		{name: "a subject on two lines", raw: "Subject: one\n two\n\nt", subject: "one two", text: "t"},
		{name: "alternative", raw: "Content-Type: multipart/alternative; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: text/html\n\n<p>html\n--b--\n", text: "text", html: "<p>html"},
		{name: "mixed in alternative", raw: "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n--i\n\ntext\n--i--\n--o\nContent-Type: text/plain\nContent-Disposition: attachment; filename=\"../../n.txt\"\n\nfile\n--o--\n", text: "text", files: 1},
		{name: "not a mail", raw: "hello", text: "hello", broken: true},
		{name: "empty", raw: "", broken: true},
		{name: "a boundary that never comes", raw: "Content-Type: multipart/mixed; boundary=b\n\nnothing", text: "Content-Type: multipart/mixed; boundary=b\n\nnothing", broken: true},
		{name: "bent base64", raw: "Content-Transfer-Encoding: base64\n\n!!!!", text: "Content-Transfer-Encoding: base64\n\n!!!!", broken: true},
		{name: "an unknown charset", raw: "Subject: =?x?Q?a?=\nContent-Type: text/plain; charset=x\n\n\xff", subject: "=?x?Q?a?=", text: "\uFFFD"},
		{name: "too deep", raw: strings.Repeat("Content-Type: multipart/mixed; boundary=b\n\n--b\n", 20) + "\nt", broken: true, text: "*"},
	} {
		got := mailbox.Parse([]byte(c.raw))
		if got.Subject != c.subject || got.Text != c.text && c.text != "*" || got.HTML != c.html || len(got.Files) != c.files || got.Broken != c.broken {
			t.Errorf("%s: subject %q, text %q, html %q, %d files, broken %v", c.name, got.Subject, got.Text, got.HTML, len(got.Files), got.Broken)
		}
	}
}

func TestPieces(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		"none":                           "[none]",
		"see https://a.example/x.":       "[see ]<https://a.example/x>[.]",
		"(http://a.example)":             "[(]<http://a.example>[)]",
		"https://a.example/\nx":          "<https://a.example/>[\nx]",
		"<https://a.example/?a=1&b=2>":   "[<]<https://a.example/?a=1&b=2>[>]",
		"http https:// http:.":           "[http ]<https://>[ http:.]",
		"javascript:alert(1)":            "[javascript:alert(1)]",
		"http://a.example https://b.fr/": "<http://a.example>[ ]<https://b.fr/>",
	} {
		if got := mailbox.Pieces(in); got != want {
			t.Errorf("Pieces(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestEvent(t *testing.T) {
	for in, want := range map[string]mailbox.Event{
		"": {},
		"BEGIN:VCALENDAR\nMETHOD:cancel\nBEGIN:VEVENT\nSUMMARY;X=\"a:b\":one\\;\n  two\nDTSTART:20261124T130000Z\nEND:VEVENT": {Method: "CANCEL", Summary: "one; two", When: "2026-11-24 13:00 UTC"},
		"BEGIN:VEVENT\nDTSTART;VALUE=DATE:20261124\nDTEND:whenever\nEND:VEVENT":                                               {When: "2026-11-24 – whenever"},
		"BEGIN:VEVENT\nDTSTART;TZID=Europe/Paris:20261124T140000\nDTEND:20261124T140000Z\nEND:VEVENT":                         {When: "2026-11-24 14:00 Europe/Paris – 2026-11-24 14:00 UTC"},
		"SUMMARY:outside\nBEGIN:VEVENT\nEND:VEVENT":                                                                           {},
	} {
		if got := mailbox.ReadEvent(in, ""); got != want {
			t.Errorf("event(%q) = %+v, want %+v", in, got, want)
		}
	}
}

// FuzzParse wants no mail to panic, nor to be shown as anything but text.
func FuzzParse(f *testing.F) {
	f.Add([]byte("Subject: s\n\nbody https://a.example/"))
	f.Add([]byte("Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/calendar\n\n" + calendar + "\n--b--\n"))
	f.Add([]byte("Content-Type: text/plain; charset=utf-16\n\n\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := mailbox.Parse(raw)
		joined := strings.NewReplacer("[", "", "]", "", "<", "", ">", "").Replace(mailbox.Pieces(m.Text))
		if plain := strings.NewReplacer("[", "", "]", "", "<", "", ">", "").Replace(m.Text); joined != plain {
			t.Errorf("pieces lose text: %q from %q", joined, m.Text)
		}
	})
}
