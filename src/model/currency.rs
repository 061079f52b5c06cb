//! Currencies: a code and how many decimals its amounts have (ISO 4217).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::number::{NumberError, parse_scaled, write_scaled};

/// A currency of ISO 4217, by its three-letter code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Currency([u8; 3]);

/// Why a text is no amount of a currency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal.
    #[error("is not an amount like 1000 or \"1000.50\"")]
    Malformed,
    /// More decimals than the currency has; money is never rounded silently.
    #[error("has more decimals than {0}, which has {1}")]
    TooFine(Currency, u32),
    /// Beyond 64 bits of minor units.
    #[error("is too large an amount")]
    OutOfRange,
}

/// Codes by number of decimals, where it is not two.
const NO_DECIMALS: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
    "XPF",
];
const THREE_DECIMALS: &[&str] = &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];
const TWO_DECIMALS: &[&str] = &[
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BMD", "BND",
    "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CNY", "COP", "CRC", "CUP", "CVE", "CZK",
    "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GTQ", "GYD",
    "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IRR", "JMD", "KES", "KGS", "KHR", "KPW", "KYD", "KZT", "LAK",
    "LBP", "LKR", "LRD", "LSL", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN",
    "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR", "RON",
    "RSD", "RUB", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP",
    "SZL", "THB", "TJS", "TMT", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "USD", "UYU", "UZS", "VED", "VES", "WST",
    "XCD", "YER", "ZAR", "ZMW", "ZWG",
];

/// Signs that name one currency when written before or after an amount.
const SIGNS: &[(char, &str)] = &[
    ('$', "USD"),
    ('€', "EUR"),
    ('£', "GBP"),
    ('¥', "JPY"),
    ('₹', "INR"),
    ('₩', "KRW"),
    ('₽', "RUB"),
    ('₺', "TRY"),
    ('₴', "UAH"),
    ('₫', "VND"),
    ('₪', "ILS"),
    ('₱', "PHP"),
    ('₦', "NGN"),
];

impl Currency {
    /// United States dollars.
    pub const USD: Currency = Currency(*b"USD");

    /// The currency of a three-letter code, in any case.
    pub fn of_code(code: &str) -> Option<Currency> {
        let upper = code.to_ascii_uppercase();
        let bytes: [u8; 3] = upper.as_bytes().try_into().ok()?;
        let known = [NO_DECIMALS, TWO_DECIMALS, THREE_DECIMALS].iter().any(|codes| codes.contains(&upper.as_str()));
        known.then_some(Currency(bytes))
    }

    /// The currency that a sign such as `€` names.
    pub fn of_sign(sign: char) -> Option<Currency> {
        SIGNS.iter().find(|(known, _)| *known == sign).and_then(|(_, code)| Currency::of_code(code))
    }

    /// The sign that names this currency, if it has one.
    pub fn sign(self) -> Option<char> {
        SIGNS.iter().find(|(_, code)| *code == self.code()).map(|(sign, _)| *sign)
    }

    /// The three-letter code in capitals.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// How many decimals an amount has.
    pub fn decimals(self) -> u32 {
        let code = self.code();
        if NO_DECIMALS.contains(&code) {
            0
        } else if THREE_DECIMALS.contains(&code) {
            3
        } else {
            2
        }
    }

    /// Reads a decimal as minor units (cents), exactly.
    ///
    /// Errors: [`MoneyError`].
    pub fn parse_minor(self, decimal: &str) -> Result<i64, MoneyError> {
        match parse_scaled(decimal, self.decimals(), false) {
            Ok(minor) => i64::try_from(minor).map_err(|_| MoneyError::OutOfRange),
            Err(NumberError::OutOfRange) => Err(MoneyError::OutOfRange),
            Err(NumberError::Malformed) => match parse_scaled(decimal, self.decimals(), true) {
                Ok(_) => Err(MoneyError::TooFine(self, self.decimals())),
                Err(_) => Err(MoneyError::Malformed),
            },
        }
    }

    /// Writes minor units as a plain decimal, `1000.5`.
    pub fn format_minor(self, minor: i64) -> String {
        let mut text = String::new();
        write_scaled(&mut text, i128::from(minor), self.decimals()).expect("writing to a string cannot fail");
        text
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_their_decimals() {
        let (usd, jpy) = (Currency::USD, Currency::of_code("jpy").unwrap());
        assert_eq!(usd.parse_minor("1000.50"), Ok(100_050));
        assert_eq!(usd.parse_minor("1e3"), Ok(100_000));
        assert_eq!(usd.parse_minor("0.005"), Err(MoneyError::TooFine(usd, 2)));
        assert_eq!(jpy.parse_minor("5"), Ok(5));
        assert_eq!(usd.parse_minor("1,000"), Err(MoneyError::Malformed));
        assert_eq!(usd.parse_minor("92233720368547758.08"), Err(MoneyError::OutOfRange));
        assert_eq!(usd.format_minor(-100_050), "-1000.5");
        assert_eq!(Currency::of_sign('€').unwrap().code(), "EUR");
        assert_eq!(Currency::of_code("XXX"), None);
    }
}
