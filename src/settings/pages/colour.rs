//! Colours, and how well people can tell two of them apart (WCAG 2.2, relative luminance and contrast ratio).

use std::fmt;

/// A colour without transparency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

impl Colour {
    /// Black.
    pub const BLACK: Colour = Colour([0; 3]);

    /// `#rgb` or `#rrggbb`, and nothing else that CSS would take.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        let digit = |it: u8| char::from(it).to_digit(16).and_then(|it| u8::try_from(it).ok());
        let digits: Vec<u8> = digits.bytes().map(digit).collect::<Option<_>>()?;
        match digits[..] {
            [r, g, b] => Some(Colour([r * 17, g * 17, b * 17])),
            [r, red, g, green, b, blue] => Some(Colour([r * 16 + red, g * 16 + green, b * 16 + blue])),
            _ => None,
        }
    }

    /// From 1 (the same) to 21 (black on white).
    pub fn contrast(self, other: Colour) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    fn luminance(self) -> f64 {
        let linear = |it: u8| {
            let it = f64::from(it) / 255.0;
            if it <= 0.040_45 { it / 12.92 } else { ((it + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(to, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_strictly_and_written_plainly() {
        assert_eq!(Colour::parse("#0B57d0").map(|it| it.to_string()), Some("#0b57d0".into()));
        assert_eq!(Colour::parse("#fA0").map(|it| it.to_string()), Some("#ffaa00".into()));
        let refused = [
            "red",
            "",
            "#",
            "#12",
            "#1234",
            "#12345",
            "#1234567",
            "#12345g",
            " #fff",
            "#fff;}",
            "#ff\u{661}",
            "rgb(0,0,0)",
            "url(x)",
        ];
        for text in refused {
            assert_eq!(Colour::parse(text), None, "{text}");
        }
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        let of = |a: &str, b: &str| Colour::parse(a).unwrap().contrast(Colour::parse(b).unwrap());
        assert!((of("#000", "#fff") - 21.0).abs() < 1e-9);
        assert!((of("#777", "#fff") - 4.478).abs() < 1e-3, "just too little for text");
        assert!((of("#767676", "#fff") - 4.542).abs() < 1e-3, "just enough");
        assert_eq!(of("#123456", "#123456"), 1.0);
        assert_eq!(of("#123456", "#fedcba"), of("#fedcba", "#123456"));
    }
}
