package house

import (
	"net/http"

	"vestibule/api"
	"vestibule/auth"
)

// openAPI opens the API and the webhooks where the site has any, and answers
// what the gateway serves; nil: nothing.
func (h *House) openAPI(oidc *auth.OIDC) (http.Handler, error) {
	c := h.c.API
	if len(c.Keys)+len(c.Clients)+len(c.Hooks) == 0 {
		return nil, nil
	}
	c.Door, c.Lobby, c.Shelf, c.Streams = h.c.Door, h.Lobby, h.c.Store, h.c.Store
	c.Secret, c.Logger, c.Zone, c.Lang = h.key("api"), h.c.Logger, h.c.Zone, h.c.Pages.Lang
	if oidc != nil {
		c.Tokens = oidc
	}
	var err error
	if h.API, err = api.New(c); err != nil || !h.API.Serves() {
		return nil, err
	}
	return h.API, nil
}
