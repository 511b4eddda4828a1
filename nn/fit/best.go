package fit

// validated takes note of an epoch's validation loss.
func (t *Trainer) validated(e Epoch) error {
	t.Losses = append(t.Losses, e.Validation.Loss)
	if t.Patience == 0 || t.Best != nil && !(e.Validation.Loss < t.Best.Validation.Loss) {
		return nil
	}
	if t.best == nil {
		t.best = newSnapshot(t.Network)
	}
	t.Best = &e
	return t.best.take(t.step)
}

// exhausted says that Patience epochs have gone by without a better validation loss.
func (t *Trainer) exhausted(epoch int) bool {
	return t.Patience > 0 && t.Best != nil && epoch-t.Best.Epoch >= t.Patience
}

func (t *Trainer) restoreBest() error {
	if t.Patience == 0 || t.best == nil {
		return nil
	}
	return t.best.restore()
}
