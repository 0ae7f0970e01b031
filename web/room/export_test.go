package room

import (
	"io"
	"io/fs"
	"net/http"
)

// The page's insides over files of the test's own: whether npm has run must
// not decide what is tested.

func AssetsOf(files fs.FS) (Assets, error) { return assets(files) }

func HandlerOf(files fs.FS) http.Handler { return handler(files) }

func WriteWith(w io.Writer, v View, a Assets) error { return write(w, v, a) }
