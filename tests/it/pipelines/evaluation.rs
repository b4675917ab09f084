//! Works out expressions of the Terraform module without Terraform. A function that is not here is an error, and no guess.

use std::collections::BTreeMap;

use hcl::{
    Expression,
    eval::{Context, Evaluate, FuncArgs, FuncDef, ParamType},
};
use serde_json::{Value, json};

use super::read;

/// The functions of Terraform that the module uses, by their documentation.
pub(super) fn functions(context: &mut Context) {
    let mut one = |name: &str, function: fn(FuncArgs) -> Result<hcl::Value, String>| {
        let definition = FuncDef::builder()
            .variadic_param(ParamType::Any)
            .build(function);
        context.declare_func(name, definition);
    };
    one("jsonencode", |arguments| {
        serde_json::to_string(&arguments[0])
            .map(hcl::Value::from)
            .map_err(|error| error.to_string())
    });
    one("length", |arguments| match &arguments[0] {
        hcl::Value::Array(list) => Ok(list.len().into()),
        hcl::Value::Object(map) => Ok(map.len().into()),
        other => Err(format!("{other} has no length")),
    });
    one("concat", |arguments| {
        let lists = arguments.iter().map(|list| list.as_array().cloned());
        let lists: Option<Vec<_>> = lists.collect();
        lists
            .map(|lists| lists.concat().into())
            .ok_or_else(|| "concat takes lists".to_owned())
    });
    one("keys", |arguments| {
        let map = arguments[0].as_object().ok_or("keys takes a map")?;
        let mut keys: Vec<&String> = map.keys().collect();
        keys.sort();
        Ok(keys.into_iter().cloned().collect::<Vec<_>>().into())
    });
    one("contains", |arguments| {
        let list = arguments[0].as_array().ok_or("contains takes a list")?;
        Ok(list.contains(&arguments[1]).into())
    });
    one("alltrue", |arguments| {
        let list = arguments[0].as_array().ok_or("alltrue takes a list")?;
        Ok(list
            .iter()
            .all(|item| *item == hcl::Value::Bool(true))
            .into())
    });
    one("split", |arguments| {
        let (by, text) = texts(&arguments)?;
        Ok(text.split(by).map(str::to_owned).collect::<Vec<_>>().into())
    });
    one("strcontains", |arguments| {
        texts(&arguments).map(|(text, part)| text.contains(part).into())
    });
    one("startswith", |arguments| {
        texts(&arguments).map(|(text, part)| text.starts_with(part).into())
    });
    one("endswith", |arguments| {
        texts(&arguments).map(|(text, part)| text.ends_with(part).into())
    });
}

fn texts(arguments: &FuncArgs) -> Result<(&str, &str), String> {
    match (arguments[0].as_str(), arguments[1].as_str()) {
        (Some(one), Some(two)) => Ok((one, two)),
        _ => Err("two texts are needed".to_owned()),
    }
}

/// Everything in the `locals` of a file, from the variables.
pub(super) fn locals(file: &str, variables: &Value) -> BTreeMap<String, Value> {
    let body = hcl::parse(&read(file)).unwrap();
    let mut wanted: Vec<(String, Expression)> = body
        .blocks()
        .filter(|block| block.identifier() == "locals")
        .flat_map(|block| block.body().attributes())
        .map(|attribute| (attribute.key().to_owned(), attribute.expr().clone()))
        .collect();
    let mut known = BTreeMap::new();
    // Those that build on others come when these are known.
    while !wanted.is_empty() {
        let context = context(variables, &known);
        let (mut found, mut left) = (Vec::new(), Vec::new());
        for (name, expression) in wanted {
            match expression.evaluate(&context) {
                Ok(value) => found.push((name, serde_json::to_value(value).unwrap())),
                Err(error) => left.push((name, expression, error.to_string())),
            }
        }
        assert!(!found.is_empty(), "{}: {}", left[0].0, left[0].2);
        known.extend(found);
        wanted = left
            .into_iter()
            .map(|(name, expression, _)| (name, expression))
            .collect();
    }
    known
}

pub(super) fn context(variables: &Value, locals: &BTreeMap<String, Value>) -> Context<'static> {
    let mut context = Context::new();
    functions(&mut context);
    let value = |value: &Value| hcl::to_value(value).unwrap();
    context.declare_var("var", value(variables));
    context.declare_var("local", value(&json!(locals)));
    context
}
