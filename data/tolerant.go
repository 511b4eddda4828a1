package data

// PictureError is a picture that cannot be used: damaged, missing, or no picture at all.
type PictureError struct {
	Path string
	Err  error
}

func (e *PictureError) Error() string { return e.Path + ": " + e.Err.Error() }
func (e *PictureError) Unwrap() error { return e.Err }

// Tolerant is a set whose damaged pictures a Loader passes over: in the place of each stands the next good one in the
// order of the data, so that batches keep their size and nothing depends on the number of workers. More than a hundred in
// a row are an error all the same.
type Tolerant struct {
	Set
	OnBad func(*PictureError) // is told of each, by any number of workers at once, and again in every epoch
}
