use super::Given;

#[test]
fn traces_are_off_until_they_have_an_endpoint() {
    for given in [Given::default(), Given::default().key("telemetry.traces_endpoint", "")] {
        let telemetry = given.config().telemetry;
        assert_eq!((telemetry.traces_endpoint, telemetry.service_name.as_str()), (None, "sessiongate"));
        assert_eq!(telemetry.traces_ratio.as_f64(), 1.0);
    }
}

#[test]
fn an_endpoint_without_a_path_gets_the_usual_one() {
    for (given, expected) in [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("https://collector/", "https://collector/v1/traces"),
        ("https://collector:443/otlp/v1/traces", "https://collector:443/otlp/v1/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ] {
        let telemetry = Given::default().key("telemetry.traces_endpoint", given).config().telemetry;
        assert_eq!(telemetry.traces_endpoint.as_deref(), Some(expected));
    }
}

#[test]
fn headers_come_from_a_file_too() {
    let given = Given::default()
        .variable("TELEMETRY_TRACES_HEADERS_FILE", "/run/headers")
        .secret_file("/run/headers", "authorization=Bearer a=b,x-tenant=one\\,two\n");
    let expected = [("authorization", "Bearer a=b"), ("x-tenant", "one,two")];
    assert_eq!(given.config().telemetry.headers(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(Given::default().config().telemetry.headers(), []);
}

#[test]
fn what_cannot_work_is_refused_with_its_key() {
    for (key, value, word) in [
        ("telemetry.traces_endpoint", "collector:4318", "URL"),
        ("telemetry.traces_endpoint", "grpc://collector:4317", "URL"),
        ("telemetry.traces_endpoint", "http://", "URL"),
        ("telemetry.traces_endpoint", "http://collector?key=1", "URL"),
        ("telemetry.traces_endpoint", "http://a:b@collector", "login"),
        ("telemetry.traces_headers", "authorization", "="),
        ("telemetry.traces_headers", "bad name=1", "header"),
        ("telemetry.traces_headers", "", ""),
        ("telemetry.traces_ratio", "1.5", "share"),
        ("telemetry.traces_ratio", "-0.1", "share"),
        ("telemetry.traces_ratio", "NaN", "share"),
        ("telemetry.traces_ratio", "half", "share"),
        ("telemetry.service_name", "", "empty"),
    ] {
        let given = Given::default().key(key, value);
        if word.is_empty() {
            assert!(given.load().is_ok(), "{key}={value}");
            continue;
        }
        let errors = given.errors();
        assert_eq!(errors.0.len(), 1, "{errors}");
        assert!(errors.0[0].key == key && errors.0[0].problem.contains(word), "{errors}");
    }
    let ratio = Given::default().file("[telemetry]\ntraces_ratio = 0.25\n").config().telemetry.traces_ratio;
    assert_eq!(ratio.as_f64(), 0.25);
}
