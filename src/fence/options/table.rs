//! The table of all options: what they are called, on stdin and on the command line, and what is their default.

use super::{FenceOption, Kind};
use crate::fence::backend;

pub(crate) const OPTIONS: &[FenceOption] = &[
    // Every backend
    FenceOption::new("action", Kind::Text, "action", "reboot").short('o'),
    FenceOption::new("plug", Kind::Text, "name", "")
        .short('n')
        .required()
        .replaces("port"),
    FenceOption::new("backend", Kind::Select(backend::NAMES), "name", "").required(),
    FenceOption::new("power_timeout", Kind::Seconds, "seconds", "20"),
    FenceOption::new("power_wait", Kind::Seconds, "seconds", "0"),
    FenceOption::new("login_timeout", Kind::Seconds, "seconds", "5"),
    FenceOption::new("shell_timeout", Kind::Seconds, "seconds", ""),
    FenceOption::new("retry_on", Kind::Integer, "attempts", "1"),
    FenceOption::new("delay", Kind::Seconds, "seconds", "0"),
    FenceOption::new("method", Kind::Select(&["onoff", "cycle"]), "method", "onoff").short('m'),
    FenceOption::new("missing_as_off", Kind::Boolean, "", ""),
    FenceOption::new("disable_timeout", Kind::Text, "true/false", ""),
    FenceOption::new("plug_separator", Kind::Text, "char", ","),
    FenceOption::new("separator", Kind::Text, "char", ",").short('C'),
    FenceOption::new("quiet", Kind::Boolean, "", "").short('q'),
    FenceOption::new("verbose", Kind::Boolean, "", "").short('v'),
    FenceOption::new("debug_file", Kind::Text, "path", "")
        .short('D')
        .replaces("debug"),
    // Devices in the network
    FenceOption::new("ip", Kind::Text, "address", "")
        .short('a')
        .replaces("ipaddr"),
    FenceOption::new("ipport", Kind::Integer, "port", "").short('u'),
    FenceOption::new("port_as_ip", Kind::Boolean, "", ""),
    FenceOption::new("inet4_only", Kind::Boolean, "", "").short('4'),
    FenceOption::new("inet6_only", Kind::Boolean, "", "").short('6'),
    FenceOption::new("username", Kind::Text, "name", "")
        .short('l')
        .replaces("login"),
    FenceOption::new("password", Kind::Text, "password", "")
        .short('p')
        .replaces("passwd"),
    FenceOption::new("password_file", Kind::Text, "path", ""),
    FenceOption::new("password_script", Kind::Text, "path", "")
        .short('S')
        .replaces("passwd_script"),
    FenceOption::new("ssl", Kind::Boolean, "", "").short('z'),
    FenceOption::new("ssl_secure", Kind::Boolean, "", ""),
    FenceOption::new("ssl_insecure", Kind::Boolean, "", ""),
    FenceOption::new("ssl_cacert", Kind::Text, "path", "").replaces("tlscacert"),
    FenceOption::new("ssl_pin", Kind::Text, "sha256", ""),
    FenceOption::new("ssl_cert", Kind::Text, "path", "").replaces("tlscert"),
    FenceOption::new("ssl_key", Kind::Text, "path", "").replaces("tlskey"),
    // One backend each
    FenceOption::new("docker_socket", Kind::Text, "path", "/run/docker.sock"),
    FenceOption::new("redfish_uri", Kind::Text, "path", "/redfish/v1"),
    FenceOption::new("systems_uri", Kind::Text, "path", ""),
    FenceOption::new("redfish_auth", Kind::Select(&["basic", "session"]), "kind", "basic"),
    FenceOption::new("snmp_version", Kind::Select(&["1", "2c", "3"]), "version", "1").short('d'),
    FenceOption::new("community", Kind::Text, "community", "").short('c'),
    FenceOption::new(
        "snmp_sec_level",
        Kind::Select(&["noAuthNoPriv", "authNoPriv", "authPriv"]),
        "level",
        "authPriv",
    )
    .short('E'),
    FenceOption::new(
        "snmp_auth_prot",
        Kind::Select(&["MD5", "SHA", "SHA256", "SHA512"]),
        "protocol",
        "SHA",
    )
    .short('b'),
    FenceOption::new("snmp_priv_prot", Kind::Select(&["DES", "AES"]), "protocol", "AES").short('B'),
    FenceOption::new("snmp_priv_passwd", Kind::Text, "password", "").short('P'),
    FenceOption::new("snmp_priv_passwd_file", Kind::Text, "path", ""),
    FenceOption::new("snmp_priv_passwd_script", Kind::Text, "path", "").short('R'),
    FenceOption::new("token_file", Kind::Text, "path", ""),
    FenceOption::new("api_url", Kind::Text, "url", ""),
    FenceOption::new("metadata_url", Kind::Text, "url", "http://169.254.169.254"),
    FenceOption::new("state_dir", Kind::Text, "path", "/var/lib/baton/fence"),
    FenceOption::new("libvirt_uri", Kind::Text, "uri", "qemu:///system"),
    // The database on the node
    FenceOption::new("sql_fence", Kind::Boolean, "", ""),
    FenceOption::new("sql_fence_user", Kind::Text, "name", ""),
    FenceOption::new("sql_fence_password_file", Kind::Text, "path", ""),
    FenceOption::new("sql_fence_addresses", Kind::Text, "map", ""),
    FenceOption::new("sql_fence_port", Kind::Integer, "port", "3306"),
    FenceOption::new("sql_fence_timeout", Kind::Seconds, "seconds", "2"),
];
