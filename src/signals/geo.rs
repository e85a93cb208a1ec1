//! Where an address is and whose it is, from the operator's own databases in MaxMind's format.
//!
//! It never asks anyone over the network. An address that is not in the database has no place: unknown.

use std::{net::IpAddr, path::Path};

use maxminddb::{PathElement, Reader};
use stepward_core::value::Value;

use crate::{
    settings::Geo,
    signals::{
        files::{FileError, Watched},
        travel::Place,
    },
};

/// The databases that the settings name.
pub struct Databases {
    city: Option<Watched<Reader<Vec<u8>>>>,
    asn: Option<Watched<Reader<Vec<u8>>>>,
}

/// What a look-up came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// No database is configured that could tell.
    NotProvided,
    /// The database does not say.
    Absent,
    /// This.
    Value(Value),
}

impl Databases {
    /// Opens the databases. One that cannot be read keeps the process from starting.
    pub fn open(geo: &Geo) -> Result<Self, FileError> {
        let open = |what: &str, path: &Option<std::path::PathBuf>| {
            path.as_ref().map(|path| Watched::open(what.to_string(), path, read)).transpose()
        };
        Ok(Databases { city: open("city database", &geo.city)?, asn: open("ASN database", &geo.asn)? })
    }

    /// Reads changed files again; blocks on the disk.
    pub fn refresh(&self) {
        for database in [&self.city, &self.asn].into_iter().flatten() {
            database.refresh();
        }
    }

    /// One attribute of an address, `None` for a name that no database has.
    pub fn attribute(&self, name: &str, ip: IpAddr) -> Option<Found> {
        let (database, path, shape): (_, &[PathElement<'_>], _) = match name {
            "ip.country" => (&self.city, &COUNTRY, Shape::Text),
            "ip.region" => (&self.city, &REGION, Shape::Text),
            "ip.city" => (&self.city, &CITY, Shape::Text),
            "ip.timezone" => (&self.city, &TIMEZONE, Shape::Text),
            "ip.latitude" => (&self.city, &LATITUDE, Shape::Number),
            "ip.longitude" => (&self.city, &LONGITUDE, Shape::Number),
            "ip.accuracy_km" => (&self.city, &ACCURACY, Shape::Whole),
            "ip.asn" => (&self.asn, &ASN, Shape::Whole),
            "ip.as_org" => (&self.asn, &AS_ORG, Shape::Text),
            _ => return None,
        };
        let Some(database) = database else { return Some(Found::NotProvided) };
        Some(value(&database.now(), ip, path, shape).map_or(Found::Absent, Found::Value))
    }

    /// Where an address is; `None` without a city database or an entry in it.
    pub fn place(&self, ip: IpAddr) -> Option<Place> {
        let database = self.city.as_ref()?.now();
        let found = database.lookup(ip.to_canonical()).ok()?;
        let latitude = found.decode_path::<f64>(&LATITUDE).ok()??;
        let longitude = found.decode_path::<f64>(&LONGITUDE).ok()??;
        let accuracy_km = found.decode_path::<u16>(&ACCURACY).ok().flatten().unwrap_or(0);
        Place::new(latitude, longitude, f64::from(accuracy_km))
    }
}

const COUNTRY: [PathElement<'_>; 2] = [PathElement::Key("country"), PathElement::Key("iso_code")];
const REGION: [PathElement<'_>; 4] =
    [PathElement::Key("subdivisions"), PathElement::Index(0), PathElement::Key("names"), PathElement::Key("en")];
const CITY: [PathElement<'_>; 3] = [PathElement::Key("city"), PathElement::Key("names"), PathElement::Key("en")];
const TIMEZONE: [PathElement<'_>; 2] = [PathElement::Key("location"), PathElement::Key("time_zone")];
const LATITUDE: [PathElement<'_>; 2] = [PathElement::Key("location"), PathElement::Key("latitude")];
const LONGITUDE: [PathElement<'_>; 2] = [PathElement::Key("location"), PathElement::Key("longitude")];
const ACCURACY: [PathElement<'_>; 2] = [PathElement::Key("location"), PathElement::Key("accuracy_radius")];
const ASN: [PathElement<'_>; 1] = [PathElement::Key("autonomous_system_number")];
const AS_ORG: [PathElement<'_>; 1] = [PathElement::Key("autonomous_system_organization")];

/// How a field is read.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Number,
    Whole,
}

fn value(database: &Reader<Vec<u8>>, ip: IpAddr, path: &[PathElement<'_>], shape: Shape) -> Option<Value> {
    let found = database.lookup(ip.to_canonical()).ok()?;
    match shape {
        Shape::Text => found.decode_path::<&str>(path).ok()?.map(Value::text),
        Shape::Number => found.decode_path::<f64>(path).ok()?.filter(|it| it.is_finite()).map(Value::Number),
        Shape::Whole => found.decode_path::<u32>(path).ok()?.map(|it| Value::Int(it.into())),
    }
}

/// A database that is cut off or not one at all is refused here, never at a look-up.
fn read(path: &Path) -> Result<Reader<Vec<u8>>, String> {
    let reader = Reader::open_readfile(path).map_err(|why| why.to_string())?;
    reader.verify().map_err(|why| why.to_string())?;
    Ok(reader)
}
