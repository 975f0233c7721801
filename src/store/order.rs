//! Puts things in order where time is no matter: one sort for all of them. The sort of the standard library is made anew for every kind of thing, four
//! kilobytes of program each; so is the one with which it fills a tree at once.

use std::cmp::Ordering;

/// Sorts; what is equal stays as it lies.
pub fn sort<T: Ord>(all: &mut [T]) {
    sort_by(all, T::cmp);
}

/// Sorts by what `key` has of each; what is equal stays as it lies.
pub fn sort_by_key<T, K: Ord>(all: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(all, |one, other| key(one).cmp(&key(other)));
}

/// Sorts as `order` has it; what is equal stays as it lies.
pub fn sort_by<T>(all: &mut [T], order: impl Fn(&T, &T) -> Ordering) {
    let mut places = places(all.len(), &|one, other| match (all.get(one), all.get(other)) {
        (Some(one), Some(other)) => order(one, other),
        _ => Ordering::Equal,
    });
    // Each place has where its thing lies: circle by circle they change places.
    for start in 0..places.len() {
        let mut here = start;
        while let Some(place) = places.get_mut(here) {
            let from = std::mem::replace(place, here);
            if from == start {
                break;
            }
            all.swap(here, from);
            here = from;
        }
    }
}

/// The places `0..count`, in the order of what lies there.
fn places(count: usize, order: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places = (0..count).collect::<Vec<_>>();
    places.sort_unstable_by(|one, other| order(*one, *other).then(one.cmp(other)));
    places
}

/// A tree of these, put in one by one: the last of what is equal stays.
pub fn filled<C: Default + Extend<I>, I>(items: impl IntoIterator<Item = I>) -> C {
    let mut all = C::default();
    all.extend(items);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sort_is_that_of_the_standard_library() {
        let mut seed = 1u32;
        for count in (0..40).chain([100, 1000]) {
            for kinds in [1, 2, 7, 5000] {
                let mut all = Vec::new();
                for place in 0..count {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    all.push((format!("{}", (seed >> 8) % kinds), place));
                }
                let mut twin = all.clone();
                twin.sort_by(|one, other| one.0.cmp(&other.0));
                sort_by_key(&mut all, |one| one.0.clone());
                assert_eq!(all, twin, "{count} of {kinds} kinds");
                all.reverse();
                twin.reverse();
                twin.sort();
                sort(&mut all);
                assert_eq!(all, twin, "{count} of {kinds} kinds");
            }
        }
    }
}
