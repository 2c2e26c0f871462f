//! How deep a body is nested, before anything is read of it.
//!
//! Pure.

/// How deep bodies of self-describing codecs may be nested: more than people write, and far less
/// than fills a thread's stack.
pub const DEPTH_MOST: usize = 64;

/// Refuses JSON that is nested too deep. Whether it is JSON at all is not asked.
pub(super) fn check_json(body: &[u8]) -> Result<(), String> {
    // Each level takes two bytes.
    if body.len() <= DEPTH_MOST * 2 {
        return Ok(());
    }
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for byte in body {
        if in_string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MOST {
                    return Err(too_deep());
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn too_deep() -> String {
    format!("nested deeper than {DEPTH_MOST} levels")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_exact() {
        let nested = |depth: usize| format!("{}1{}  ", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check_json(nested(DEPTH_MOST).as_bytes()), Ok(()));
        assert_eq!(check_json(nested(DEPTH_MOST + 1).as_bytes()), Err(too_deep()));
        let many = "[1],{\"a\":{}},".repeat(1000);
        assert_eq!(check_json(many.as_bytes()), Ok(()));
    }

    #[test]
    fn brackets_inside_of_strings_do_not_count() {
        let text = format!("[\"{}\\\"{}\"]", "[".repeat(100), "{".repeat(100));
        assert_eq!(check_json(text.as_bytes()), Ok(()));
    }
}
