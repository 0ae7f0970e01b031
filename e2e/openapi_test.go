package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"vestibule/api"
	"vestibule/store/storetest"
)

// TestOpenAPIDocumentIsValid asks the specification's own schema about the
// document that the product serves to programs.
func TestOpenAPIDocumentIsValid(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.Redis(t))
	_, hash, err := api.NewKey("agenda")
	if err != nil {
		t.Fatal(err)
	}
	s.append(t, fmt.Sprintf(`
api: {keys: [{id: agenda, hash: %q, scopes: ["meetings:read"], owner: {name: Accueil}}]}
`, hash))
	s.serve(t)
	_, port, _ := net.SplitHostPort(s.https)
	res, err := s.client(t).Get("https://visio.test:" + port + "/api/v1/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	document, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("openapi.json: %d, %v", res.StatusCode, err)
	}
	if out, err := openAPI(t, document); err != nil || !strings.Contains(out, "OpenAPI 3.1") {
		t.Errorf("the document is no OpenAPI 3.1 (%v):\n%s", err, out)
	}
	// The checker sees a fault.
	var doc map[string]any
	if err := json.Unmarshal(document, &doc); err != nil {
		t.Fatal(err)
	}
	delete(doc, "info")
	spoiled, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := openAPI(t, spoiled); err == nil {
		t.Errorf("a document without info passes:\n%s", out)
	}
}

func openAPI(t *testing.T, document []byte) (out string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "provider/openapi.mjs")
	cmd.Stdin = strings.NewReader(string(document))
	b, err := cmd.CombinedOutput()
	return string(b), err
}
