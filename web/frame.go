package web

import "vestibule/web/locale"

// Frame is what every page carries round its own words. Embed it first.
type Frame struct {
	// Lang is "fr" or "en"; empty leaves the choice to Write.
	Lang string
	// Path is where the language switch leads back to; empty: the request's.
	// A page that answers a POST must set it to a path that answers GET.
	Path string
	// CSRF and Attempt go into every form. Attempt names the press of a
	// button: pressing twice does it once.
	CSRF    string
	Attempt string
	Site    Site
	// SignedIn is the name of the host who is signed in; empty for a guest.
	SignedIn string
	// AssetPrefix is where Static is mounted. Default "/static/".
	AssetPrefix string
}

// Site is the institution whose door this is.
type Site struct {
	Name string
	// Contact is whom to call, as a reader would say it ("05 61 00 00 00").
	Contact string
	// LogoURL is an image of this origin; a logo in ThemeDir wins.
	LogoURL string
	// NoticeURL is the full privacy notice.
	NoticeURL string
}

func (f Frame) frame() Frame { return f }

// Assets returns where the static files are.
func (f Frame) Assets() string {
	if f.AssetPrefix == "" {
		return "/static/"
	}
	return f.AssetPrefix
}

// OtherLangs returns the languages this page is not in.
func (f Frame) OtherLangs() []string {
	var others []string
	for _, l := range locale.Langs() {
		if l != f.Lang {
			others = append(others, l)
		}
	}
	return others
}

// Way is one way to show who you are.
type Way struct {
	ID   string // the value of the form field provider
	Name string // as people say it: "ProConnect"
}
