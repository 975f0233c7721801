//! What the targets share with the tests.

#[path = "../../../common/driver.rs"]
pub(crate) mod driver;
