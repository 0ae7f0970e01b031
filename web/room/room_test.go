package room_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"vestibule/web/room"
)

func built() fstest.MapFS {
	return fstest.MapFS{
		"manifest.json":    {Data: []byte(`{"script":"room-AB.js","style":"room-CD.css"}`)},
		"room-AB.js":       {Data: []byte("script")},
		"room-AB.js.gz":    {Data: []byte("squeezed")},
		"room-CD.css":      {Data: []byte("style")},
		"LICENSES.txt":     {Data: []byte("licences")},
		"room-OLD.js":      {Data: []byte("yesterday's")},
		"deeper/secret.js": {Data: []byte("not here")},
	}
}

func TestPageTellsNamesOrThatItIsNotBuilt(t *testing.T) {
	half := built()
	delete(half, "room-CD.css")
	broken := built()
	broken["manifest.json"] = &fstest.MapFile{Data: []byte("{")}
	cases := []struct {
		name  string
		files fstest.MapFS
		want  room.Assets
		fault string
	}{
		{"fresh clone", fstest.MapFS{".gitkeep": {}}, room.Assets{}, "run make room"},
		{"half a build", half, room.Assets{}, "run make room"},
		{"broken manifest", broken, room.Assets{}, "manifest"},
		{"built", built(), room.Assets{Script: "room-AB.js", Style: "room-CD.css"}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := room.AssetsOf(c.files)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("assets differ (-want +got):\n%s", diff)
			}
			switch {
			case c.fault == "" && err != nil:
				t.Errorf("assets: %v, want no error", err)
			case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
				t.Errorf("assets: error %v, want one with %q", err, c.fault)
			}
		})
	}
}

// What is embedded here is either nothing or a whole build.
func TestPageEmbedded(t *testing.T) {
	a, err := room.Page()
	if errors.Is(err, room.ErrNotBuilt) {
		t.Log("the page is not built on this machine; the built page is looked at in e2e")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := room.Write(&b, room.View{Lang: "fr", Base: "/-/room/", Pass: "/-/pass"}); err != nil {
		t.Fatal(err)
	}
	if want := "/-/room/" + a.Script; !strings.Contains(b.String(), want) {
		t.Errorf("the page does not load %s", want)
	}
}

func TestWriteIsAShellWithoutInlineCode(t *testing.T) {
	var b strings.Builder
	err := room.WriteWith(&b, room.View{
		Lang:  "fr-FR",
		Title: `Consultation <script>alert(1)</script>`,
		Base:  "/-/room/",
		Pass:  `/-/pass"onload="x`,
		Theme: "/-/theme.css",
	}, room.Assets{Script: "room-AB.js", Style: "room-CD.css"})
	if err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{
		`<html lang="fr">`,
		`<script type="module" src="/-/room/room-AB.js"></script>`,
		`href="/-/room/room-CD.css"`,
		`href="/-/theme.css"`,
		`id="room" data-pass="/-/pass&#34;onload=&#34;x" data-state="connecting"`,
		"Ouverture de la salle",
		"<noscript>",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("page lacks %q:\n%s", want, got)
		}
	}
	if n := strings.Count(got, "<script"); n != 1 {
		t.Errorf("page has %d scripts, want 1:\n%s", n, got)
	}
	for _, bad := range []string{"<style", "style=", "http://", "https://"} {
		if strings.Contains(got, bad) {
			t.Errorf("page holds %q, which its content policy forbids", bad)
		}
	}
}
