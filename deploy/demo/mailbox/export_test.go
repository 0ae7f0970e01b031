package mailbox

var (
	Parse     = parse
	ReadEvent = event
)

// Pieces puts a text's pieces in brackets, addresses in angle ones.
func Pieces(s string) string {
	out := ""
	for _, p := range pieces(s) {
		if p.URL != "" {
			out += "<" + p.Text + ">"
		} else {
			out += "[" + p.Text + "]"
		}
	}
	return out
}
