//! Which traces are sampled, as the environment says.

use traces::{Ratio, Root, Sampling};

use super::variables::Variables;

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";

/// Reads the sampler.
pub(super) fn read<F: Fn(&str) -> Option<String>>(variables: &mut Variables<F>) -> Sampling {
    let name = variables.get(SAMPLER).unwrap_or_else(|| "parentbased_always_on".to_owned());
    let (is_parent_based, root) = match name.strip_prefix("parentbased_") {
        Some(root) => (true, root),
        None => (false, name.as_str()),
    };
    let root = match root {
        "always_on" => Root::Always,
        "always_off" => Root::Never,
        "traceidratio" => Root::Some(ratio(variables)),
        _ => {
            variables.warn(SAMPLER, "names no sampler that there is", "parentbased_always_on");
            return Sampling { is_parent_based: true, root: Root::Always };
        }
    };
    Sampling { is_parent_based, root }
}

fn ratio<F: Fn(&str) -> Option<String>>(variables: &mut Variables<F>) -> Ratio {
    let number = variables.number(ARGUMENT, &(0.0..=1.0), 1.0);
    // It is in range.
    Ratio::new(number).unwrap_or(Ratio::ALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what these variables say, and which are replaced by what.
    fn sampling(set: &[(&str, &str)]) -> (Sampling, Vec<(&'static str, String)>) {
        let value = |name: &str| Some(set.iter().find(|(it, _)| *it == name)?.1.to_owned());
        let mut variables = Variables::new(value);
        let sampling = read(&mut variables);
        let warnings = variables.warnings.into_iter().map(|it| (it.variable, it.used));
        (sampling, warnings.collect())
    }

    #[test]
    fn each_sampler_is_known_and_others_are_replaced() {
        let half = (ARGUMENT, "0.5");
        let ratio = Root::Some(Ratio::new(0.5).unwrap());
        for (name, is_parent_based, root) in [
            ("always_on", false, Root::Always),
            ("always_off", false, Root::Never),
            ("traceidratio", false, ratio),
            ("parentbased_always_on", true, Root::Always),
            ("parentbased_always_off", true, Root::Never),
            ("parentbased_traceidratio", true, ratio),
        ] {
            let expected = Sampling { is_parent_based, root };
            assert_eq!(sampling(&[(SAMPLER, name), half]), (expected, vec![]), "{name}");
        }
        for name in ["xray", "parentbased_jaeger_remote", "Always_On"] {
            let (_, warnings) = sampling(&[(SAMPLER, name)]);
            assert_eq!(warnings, [(SAMPLER, "parentbased_always_on".to_owned())]);
        }
        for argument in ["2", "-1", "x", "NaN"] {
            let set = [(SAMPLER, "traceidratio"), (ARGUMENT, argument)];
            let expected = Sampling { is_parent_based: false, root: Root::Some(Ratio::ALL) };
            assert_eq!(sampling(&set), (expected, vec![(ARGUMENT, "1".to_owned())]));
        }
    }
}
