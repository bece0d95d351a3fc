package agent

import "context"

type keeper struct{}

func (k *keeper) look(context.Context, *runner, *look) {}

func (a *agent) keeper(*outbox) (*keeper, error) { return nil, nil }
