package turn

import (
	"context"
	"log/slog"
)

// journal logs what happens in pion's callbacks, which bring no context.
// Admission ids, no addresses: those are persons'.
type journal struct {
	opened, ended, full func(admission string)
	failed              func(err error)
}

func (s *Server) journal(ctx context.Context) journal {
	ctx = context.WithoutCancel(ctx)
	return journal{
		opened: func(admission string) {
			s.log.InfoContext(ctx, "relay opened", slog.String("admission", admission))
		},
		ended: func(admission string) {
			s.log.InfoContext(ctx, "relay ended", slog.String("admission", admission))
		},
		full: func(admission string) {
			s.log.InfoContext(ctx, "relay refused: quota", slog.String("admission", admission))
		},
		failed: func(err error) {
			s.log.ErrorContext(ctx, "relay not opened", slog.Any("error", err))
		},
	}
}
