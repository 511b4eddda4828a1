// Package jpeg decodes a rectangle of a baseline JPEG picture: the blocks outside it are passed over, and nothing is read
// below it. What comes out are the planes of brightness and colour as the file has them, colour often at half the
// resolution; whoever resizes them anyway saves the way through full-size red, green and blue.
//
// It knows what nearly all photographs are: sequential Huffman coding, 8 bits, grey or YCbCr whose colour has all, half or
// a quarter of the brightness's samples. For all else (progressive, CMYK, arithmetic coding) it returns [ErrUnsupported],
// and image/jpeg does the work. Numbers are those of libjpeg's default: the inverse transform of Loeffler, Ligtenberg and
// Moschytz ("Practical Fast 1-D DCT Algorithms with 11 Multiplications", ICASSP 1989) with 13-bit constants.
package jpeg
