package lobby

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"vestibule/meeting"
)

// unconfirmed is an expulsion applied here that the store has not confirmed,
// or whose incident it has not taken. It names nobody: ids and fingerprints.
type unconfirmed struct {
	meeting   meeting.ID
	admission string
	by        string // mark of the host
	person    string // mark of who was put out; empty: not known here
	incident  string // reference; empty: not reported
	at        time.Time
	cuts      []Cut // not in the file
}

// outlaws are whom it shuts this node to.
func (u *unconfirmed) outlaws() []outlaw {
	list := []outlaw{{who: u.admission}}
	if u.person != "" {
		list = append(list, outlaw{u.meeting, u.person})
	}
	return list
}

// mark is a person's fingerprint within one meeting, empty for nobody.
func (l *Lobby) mark(id meeting.ID, k meeting.Key) string {
	if k == "" {
		return ""
	}
	return hex.EncodeToString(l.mac("person", []byte(id), []byte(k))[:16])
}

// journal holds the expulsions that the store has still to be told of, also
// across a restart of the door while the store is away (T38). Its file is
// appended to, each line with a check of its own; a line that was not finished
// when the machine fell is left out, for nobody was told that it was done.
type journal struct {
	check func(line []byte) string

	mu   sync.Mutex
	open []*unconfirmed // guarded by mu
	dir  string         // guarded by mu; empty: memory alone
	file *os.File       // guarded by mu; nil once closed
}

// journalName is the file in Config.State.
const journalName = "expulsions"

// add notes an expulsion. Without the file it is noted in memory all the same.
func (j *journal) add(u *unconfirmed) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.open = append(j.open, u)
	return j.write("expel", string(u.meeting), u.admission, u.by, or(u.person, "-"), or(u.incident, "-"), strconv.FormatInt(u.at.UnixMilli(), 10))
}

// done forgets an expulsion that the store knows. With the last one the file
// begins anew.
func (j *journal) done(u *unconfirmed) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.open {
		if j.open[i] == u {
			j.open = append(j.open[:i:i], j.open[i+1:]...)
			break
		}
	}
	if j.file != nil && len(j.open) == 0 {
		if err := j.file.Truncate(0); err != nil {
			return fmt.Errorf("emptying the journal: %w", err)
		}
		return j.file.Sync()
	}
	return j.write("done", string(u.meeting), u.admission)
}

// pending is what the store has still to be told.
func (j *journal) pending() []*unconfirmed {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]*unconfirmed(nil), j.open...)
}

// write appends one line and returns once the disk has it. The caller holds mu.
func (j *journal) write(words ...string) (err error) {
	if j.dir == "" {
		return nil
	}
	f := j.file
	if f == nil { // the door shuts, and a host's request is still under way
		if f, err = reach(j.dir); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
	}
	line := strings.Join(words, " ")
	// It begins anew: of the one before, part alone may stand, as on a full disk.
	line = "\n" + line + " " + j.check([]byte(line)) + "\n"
	if _, err := f.WriteString(line); err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	return nil
}

// reach opens the file in dir.
func reach(dir string) (*os.File, error) {
	// It is emptied in time: whatever a link there leads to must not be.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	defer func() { _ = root.Close() }() // the file stays open
	f, err := root.OpenFile(journalName, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	return f, nil
}

// load opens the file in dir and reads what is left open in it. Lines that
// cannot be read are counted.
func (j *journal) load(dir string) (bad int, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, fmt.Errorf("opening the journal: %w", err)
	}
	f, err := reach(dir)
	if err != nil {
		return 0, err
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("reading the journal: %w", err), f.Close())
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.dir, j.file = dir, f
	for line := range bytes.Lines(b) {
		if !j.read(line) {
			bad++
		}
	}
	return bad, nil
}

// read takes in one line. The caller holds mu.
func (j *journal) read(line []byte) bool {
	line, whole := bytes.CutSuffix(line, []byte("\n"))
	at := bytes.LastIndexByte(line, ' ')
	if !whole && at < 0 || len(line) == 0 {
		return len(line) == 0
	}
	if at < 0 || j.check(line[:at]) != string(line[at+1:]) {
		return false
	}
	w := strings.Split(string(line[:at]), " ")
	switch {
	case w[0] == "expel" && len(w) == 7:
		ms, err := strconv.ParseInt(w[6], 10, 64)
		if err != nil {
			return false
		}
		// An incident's reference holds a dash; none is one alone.
		none := func(s string) string {
			if s == "-" {
				return ""
			}
			return s
		}
		j.open = append(j.open, &unconfirmed{
			meeting: meeting.ID(w[1]), admission: w[2], by: w[3], person: none(w[4]), incident: none(w[5]), at: time.UnixMilli(ms),
		})
		return true
	case w[0] == "done" && len(w) == 3:
		for i, u := range j.open {
			if string(u.meeting) == w[1] && u.admission == w[2] {
				j.open = append(j.open[:i:i], j.open[i+1:]...)
				break
			}
		}
		return true
	}
	return false
}

// close lets go of the file.
func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	f := j.file
	j.file = nil
	return f.Close()
}
