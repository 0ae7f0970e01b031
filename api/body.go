package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vestibule/lobby"
	"vestibule/meeting"
)

const (
	// maxBody bounds a body, in bytes: 500 invitees with long names fit.
	maxBody  = 256 << 10
	maxDepth = 8
)

// read takes a request's body as a JSON object. An absent one is empty.
func read(r *http.Request) (*object, []byte, error) {
	raw, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, nil, refuse(http.StatusRequestEntityTooLarge, "too_large")
	case err != nil:
		return nil, nil, refuse(http.StatusBadRequest, "invalid")
	}
	o := &object{faults: &[]fault{}, fields: map[string]any{}}
	if len(bytes.TrimSpace(raw)) == 0 {
		return o, raw, nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && (kind != "application/merge-patch+json" || r.Method != http.MethodPatch) {
		return nil, nil, refuse(http.StatusUnsupportedMediaType, "media_type")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := value(d, maxDepth)
	if err == nil {
		_, err = d.Token()
	}
	fields, ok := v.(map[string]any)
	if !errors.Is(err, io.EOF) || !ok || !utf8.Valid(raw) {
		return nil, nil, refuse(http.StatusBadRequest, "invalid", fault{Code: "json"})
	}
	o.fields = fields
	return o, raw, nil
}

var errJSON = errors.New("not JSON as it is read here")

// value reads one JSON value. What two programs read in two ways, a name said
// twice, is refused (RFC 8259 §4 leaves it open).
func value(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	delim, nested := t.(json.Delim)
	if err != nil || !nested {
		return t, err
	}
	if depth == 0 {
		return nil, errJSON
	}
	if delim == '[' {
		list := []any{}
		for d.More() {
			v, err := value(d, depth-1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	fields := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if _, twice := fields[name]; twice {
			return nil, errJSON
		}
		if fields[name], err = value(d, depth-1); err != nil {
			return nil, err
		}
	}
	_, err = d.Token()
	return fields, err
}

// object reads the fields of one JSON object and gathers every fault.
type object struct {
	at     string // pointer to the object
	fields map[string]any
	known  []string
	faults *[]fault
}

func (o *object) bad(name, code string) {
	*o.faults = append(*o.faults, fault{Pointer: o.at + "/" + escape(name), Code: code})
}

// escape writes a name into a pointer (RFC 6901 §3).
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(lobby.CleanText(name, 60))
}

func (o *object) has(name string) bool {
	o.known = append(o.known, name)
	_, ok := o.fields[name]
	return ok
}

// field answers a field's value of the wanted type; was when it is absent.
func field[T any](o *object, name string, was T) T {
	if !o.has(name) {
		return was
	}
	v, ok := o.fields[name].(T)
	if !ok {
		o.bad(name, "type")
		return was
	}
	return v
}

// need notes the names that must be there.
func (o *object) need(names ...string) {
	for _, n := range names {
		if !o.has(n) {
			o.bad(n, "missing")
		}
	}
}

func (o *object) text(name, was string, most int) string {
	if !o.has(name) {
		return was
	}
	s := lobby.CleanText(field(o, name, ""), most+1)
	switch {
	case o.told(name):
	case s == "":
		o.bad(name, "empty")
	case utf8.RuneCountInString(s) > most:
		o.bad(name, "too_long")
	}
	return s
}

func (o *object) time(name string, was time.Time) time.Time {
	if !o.has(name) {
		return was
	}
	t, err := time.Parse(time.RFC3339, field(o, name, ""))
	if err != nil && !o.told(name) {
		o.bad(name, "time")
	}
	return t
}

func (o *object) word(name, was string, words ...string) string {
	s := field(o, name, was)
	if o.has(name) && !o.told(name) && !slices.Contains(words, s) {
		o.bad(name, "unknown")
	}
	return s
}

// minutes reads a length of time.
func (o *object) minutes(name string, was, least, most time.Duration) time.Duration {
	if !o.has(name) {
		return was
	}
	n, err := strconv.Atoi(field(o, name, json.Number("0")).String())
	// Compared as minutes: in nanoseconds a large one would turn round into a small.
	if err != nil || n < int(least/time.Minute) || n > int(most/time.Minute) {
		if !o.told(name) {
			o.bad(name, "range")
		}
		return was
	}
	return time.Duration(n) * time.Minute
}

// reminders reads how long before the start invitees are reminded: at most two
// lengths, and none with an empty list.
func (o *object) reminders(name string, was meeting.Reminders) meeting.Reminders {
	if !o.has(name) {
		return was
	}
	var r meeting.Reminders
	list := field(o, name, []any{})
	if len(list) > len(r) {
		o.bad(name, "too_many")
		return was
	}
	for i, v := range list {
		n := strconv.Itoa(i)
		one := &object{at: o.at + "/" + escape(name), fields: map[string]any{n: v}, faults: o.faults}
		r[i] = one.minutes(n, 0, time.Minute, lobby.MaxRemind)
	}
	return r
}

// inside is an object in a field; an empty one where there is none.
func (o *object) inside(name string) *object {
	return &object{at: o.at + "/" + name, fields: field(o, name, map[string]any{}), faults: o.faults}
}

// each reads the objects of a list.
func (o *object) each(name string, most int, f func(*object)) {
	list := field(o, name, []any{})
	if len(list) > most {
		o.bad(name, "too_many")
		return
	}
	for i, v := range list {
		at := name + "/" + strconv.Itoa(i)
		fields, ok := v.(map[string]any)
		if !ok {
			*o.faults = append(*o.faults, fault{Pointer: o.at + "/" + at, Code: "type"})
			continue
		}
		in := &object{at: o.at + "/" + at, fields: fields, faults: o.faults}
		f(in)
		in.rest()
	}
}

// rest notes the fields that nobody asked for.
func (o *object) rest() {
	var unknown []string
	for name := range o.fields {
		if !slices.Contains(o.known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		o.bad(name, "unknown")
	}
}

// told reports whether a field, or something in it, has a fault already.
func (o *object) told(name string) bool {
	at := o.at + "/" + escape(name)
	return slices.ContainsFunc(*o.faults, func(f fault) bool { return f.Pointer == at || strings.HasPrefix(f.Pointer, at+"/") })
}

// done answers every fault at once, or nil.
func (o *object) done() error {
	o.rest()
	if len(*o.faults) == 0 {
		return nil
	}
	return refuse(http.StatusUnprocessableEntity, "invalid", *o.faults...)
}
