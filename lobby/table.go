package lobby

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"vestibule/meeting"
)

// Line is one line of a list of invitees, as a person would type it.
type Line struct {
	N    int    // of the file, from 1
	Text string // "J. D. <mail> +33…"; as it stood where it cannot be read so
	Role meeting.Role
}

// MaxList bounds a list, in bytes: 500 lines with long names fit.
const MaxList = 128 << 10

// ErrList is a list that is no text, or too large.
var ErrList = errors.New("no list that can be read")

// ReadList reads a list as programs for tables write it: RFC 4180, with comma,
// semicolon or tab between, in UTF-8 or Windows-1252, with or without a first
// line that names the columns (name, mail, role, phone, identity, in French or English). It
// judges nobody: each line comes back to be looked at, the bad ones too.
func ReadList(b []byte) ([]Line, error) {
	if len(b) > MaxList || bytes.IndexByte(b, 0) >= 0 {
		return nil, ErrList
	}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if !utf8.Valid(b) {
		// Tables saved in Western Europe without a word about the encoding.
		b, _ = charmap.Windows1252.NewDecoder().Bytes(b) // every byte means something
	}
	r := csv.NewReader(bytes.NewReader(b))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = separator(b), -1, true
	var lines []Line
	cols, first := noColumns(), true
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, ErrList
		}
		n, _ := r.FieldPos(0)
		if first {
			first = false
			if c, ok := titles(rec); ok {
				cols = c
				continue
			}
		}
		if l := cols.line(rec); l.Text != "" {
			l.N = n
			lines = append(lines, l)
		}
	}
}

// separator is what the first line has most of.
func separator(b []byte) rune {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	best, most := ',', 0
	for _, c := range ";\t," {
		if n := bytes.Count(line, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

// columns are where a list has what; -1: nowhere.
type columns struct{ name, mail, role, phone, claim int }

func noColumns() columns { return columns{-1, -1, -1, -1, -1} }

// titles reads a first line that names columns. One that holds an address is
// somebody already.
func titles(rec []string) (columns, bool) {
	c, known := noColumns(), 0
	for i, cell := range rec {
		var at *int
		switch strings.ToLower(strings.TrimSpace(cell)) {
		case "name", "nom", "display name", "nom affiché":
			at = &c.name
		case "mail", "email", "e-mail", "courriel", "adresse", "address", "mél":
			at = &c.mail
		case "role", "rôle":
			at = &c.role
		case "phone", "mobile", "téléphone", "telephone", "portable", "tel", "tél":
			at = &c.phone
		case "claim", "identity", "identité", "identifiant":
			at = &c.claim
		default:
			if strings.Contains(cell, "@") {
				return c, false
			}
			continue
		}
		if *at < 0 {
			*at, known = i, known+1
		}
	}
	return c, known > 0 && (c.name >= 0 || c.mail >= 0)
}

// line makes a line of a record.
func (c columns) line(rec []string) Line {
	cell := func(i int) string {
		if i < 0 || i >= len(rec) {
			return ""
		}
		return CleanText(rec[i], 4*MaxName)
	}
	if c.name < 0 && c.mail < 0 {
		c = guess(rec)
	}
	l := Line{}
	switch strings.ToLower(cell(c.role)) {
	case "host", "cohost", "co-host", "hôte", "hote", "coorganisateur", "co-organisateur", "organisateur":
		l.Role = meeting.Host
	}
	parts := []string{cell(c.name)}
	if mail := cell(c.mail); mail != "" {
		parts = append(parts, "<"+mail+">")
	}
	parts = slices.DeleteFunc(append(parts, cell(c.phone), cell(c.claim)), func(s string) bool { return s == "" })
	l.Text = strings.Join(parts, " ")
	return l
}

// Besides is a line of an invitee without what is known of it: the identifier, the
// international number, the address. What looks like a number there is one that
// nobody can call.
func Besides(line string) string {
	line, _ = CutMatch(line)
	line, _ = meeting.CutPhone(line)
	if name, rest, is := strings.Cut(line, "<"); is {
		_, after, _ := strings.Cut(rest, ">")
		return name + " <" + after
	}
	words := strings.Fields(line)
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return strings.Contains(w, "@") }), " ")
}

// guess finds the columns of a list that does not name them: the address by its
// @, a role by its word, a number by its +, and the rest is the name.
func guess(rec []string) columns {
	c := noColumns()
	for i, cell := range rec {
		cell = strings.TrimSpace(cell)
		rest, claim := CutMatch(cell)
		switch {
		case cell == "":
		case rest == "" && claim.Claim != "" && c.claim < 0:
			c.claim = i
		case strings.Contains(cell, "@") && c.mail < 0:
			c.mail = i
		case (strings.HasPrefix(cell, "+") || meeting.NearlyPhone(cell)) && c.phone < 0:
			c.phone = i
		case c.name < 0:
			c.name = i
		case c.role < 0:
			c.role = i
		}
	}
	return c
}
