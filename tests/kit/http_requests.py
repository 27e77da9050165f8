"""Requests as bytes, and the checks on them: each with the section of the RFC that it is about, and the answer."""

from __future__ import annotations

from dataclasses import dataclass

HOST = b"Host: a\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def get(line: bytes = b"GET / HTTP/1.1", fields: bytes = HOST) -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


def post(fields: bytes, body: bytes = b"", minor: bytes = b"1") -> bytes:
    return b"POST / HTTP/1." + minor + b"\r\nHost: a\r\n" + fields + b"\r\n" + body


@dataclass(frozen=True)
class Check:
    """``status``: of the refusal; 0: the request is accepted."""

    section: str
    name: str
    data: bytes
    status: int

    def __str__(self) -> str:
        return f"{self.section} {self.name}"


def checks(section: str, status: int, **cases: bytes) -> list[Check]:
    return [Check(section, name, data, status) for name, data in cases.items()]


REQUEST_LINE = [
    *checks("RFC 9112 2.2", 0, one_empty_line_before=b"\r\n" + get()),
    *checks(
        "RFC 9112 2.2",
        400,
        two_empty_lines_before=b"\r\n\r\n" + get(),
        bare_lf=b"GET / HTTP/1.1\nHost: a\n\n",
        bare_lf_behind_the_request_line=b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        bare_lf_in_a_field=b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        bare_cr_in_a_field=get(fields=HOST + b"X: a\rb\r\n"),
        bare_cr_ends_lines=b"GET / HTTP/1.1\rHost: a\r\r\r\n\r\n",
        space_before_the_request=b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        space_before_the_first_field=get(fields=b" " + HOST),
    ),
    *checks(
        "RFC 9112 2.3",
        505,
        version_1_2=get(b"GET / HTTP/1.2"),
        version_2_0=get(b"GET / HTTP/2.0"),
        version_0_9=get(b"GET / HTTP/0.9"),
        http2_preface=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ),
    *checks(
        "RFC 9112 2.3",
        400,
        no_version=b"GET /\r\n\r\n",
        lower_case_version=get(b"GET / http/1.1"),
        long_version=get(b"GET / HTTP/1.10"),
        leading_zero=get(b"GET / HTTP/01.1"),
        no_minor=get(b"GET / HTTP/1"),
        space_in_version=get(b"GET / HTTP/ 1.1"),
        space_behind_version=get(b"GET / HTTP/1.1 "),
        something_behind_version=get(b"GET / HTTP/1.1 x"),
    ),
    *checks(
        "RFC 9112 3",
        400,
        two_spaces=get(b"GET  / HTTP/1.1"),
        tab_for_space=get(b"GET\t/ HTTP/1.1"),
        no_target=get(b"GET HTTP/1.1"),
        empty_method=get(b" / HTTP/1.1"),
        space_in_target=get(b"GET /a b HTTP/1.1"),
        method_with_slash=get(b"GE/T / HTTP/1.1"),
        garbage=b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ),
    *checks(
        "RFC 9110 9.1",
        501,
        unknown_method=get(b"FOO / HTTP/1.1"),
        lower_case_method=get(b"get / HTTP/1.1"),
        long_method=get(b"A" * 1000 + b" / HTTP/1.1"),
        connect=get(b"CONNECT a:443 HTTP/1.1"),
        trace=get(b"TRACE / HTTP/1.1"),
    ),
    *checks(
        "RFC 9112 3.2",
        0,
        absolute_form=get(b"GET http://a/b?c HTTP/1.1"),
        absolute_form_without_path=get(b"GET http://a HTTP/1.1"),
        star_with_options=get(b"OPTIONS * HTTP/1.1"),
        odd_but_printable=get(b'GET /a"b<c>\\^`{|} HTTP/1.1'),
    ),
    *checks(
        "RFC 9112 3.2",
        400,
        star_with_get=get(b"GET * HTTP/1.1"),
        authority_form_with_get=get(b"GET a:80 HTTP/1.1"),
        no_slash=get(b"GET index.html HTTP/1.1"),
        other_scheme=get(b"GET ftp://a/ HTTP/1.1"),
        userinfo_in_target=get(b"GET http://u@a/ HTTP/1.1"),
        no_authority=get(b"GET http:///b HTTP/1.1"),
        fragment=get(b"GET /a#b HTTP/1.1"),
        nul_in_target=get(b"GET /\x00 HTTP/1.1"),
        utf8_in_target=get("GET /\u00e9 HTTP/1.1".encode()),
        overlong_utf8_in_target=get(b"GET /\xc0\xaf HTTP/1.1"),
        delete_in_target=get(b"GET /\x7f HTTP/1.1"),
    ),
    *checks("RFC 9112 3", 414, long_request_line=get(b"GET /" + b"a" * 9000 + b" HTTP/1.1")),
]

FIELDS = [
    *checks(
        "RFC 9112 5.1",
        400,
        space_before_colon=get(fields=b"Host : a\r\n"),
        tab_before_colon=get(fields=b"Host\t: a\r\n"),
        no_name=get(fields=HOST + b": b\r\n"),
        no_colon=get(fields=HOST + b"foo\r\n"),
        space_in_name=get(fields=HOST + b"a b: c\r\n"),
        utf8_in_name=get(fields=HOST + "\u00e9: c\r\n".encode()),
        tab_in_name=get(fields=HOST + b"a\tb: c\r\n"),
    ),
    *checks(
        "RFC 9112 5.2",
        400,
        obs_fold=get(fields=HOST + b"X: b\r\n c\r\n"),
        obs_fold_tab=get(fields=HOST + b"X: b\r\n\tc\r\n"),
    ),
    *checks(
        "RFC 9110 5.5",
        400,
        nul_in_value=get(fields=HOST + b"X: a\x00b\r\n"),
        control_in_value=get(fields=HOST + b"X: a\x01b\r\n"),
        delete_in_value=get(fields=HOST + b"X: a\x7fb\r\n"),
        vertical_tab_in_value=get(fields=HOST + b"X: a\x0bb\r\n"),
    ),
    *checks(
        "RFC 9110 5.5",
        0,
        empty_value=get(fields=HOST + b"X:\r\n"),
        tab_in_value=get(fields=HOST + b"X: a\tb\r\n"),
        latin1_in_value=get(fields=HOST + b"X: \xe9\r\n"),
        spaces_around_value=get(fields=HOST + b"X: \t a \t\r\n"),
    ),
    *checks(
        "RFC 9112 3.2 Host",
        400,
        no_host=get(fields=b""),
        two_hosts=get(fields=HOST + HOST),
        two_different_hosts=get(fields=HOST + b"host: b\r\n"),
        empty_host=get(fields=b"Host:\r\n"),
        userinfo_in_host=get(fields=b"Host: u@a\r\n"),
        path_in_host=get(fields=b"Host: a/b\r\n"),
        comma_in_host=get(fields=b"Host: a, b\r\n"),
        scheme_in_host=get(fields=b"Host: http://a\r\n"),
        bad_port=get(fields=b"Host: a:b\r\n"),
        space_in_host=get(fields=b"Host: a b\r\n"),
        open_bracket=get(fields=b"Host: [::1\r\n"),
        latin1_host=get(fields=b"Host: \xe9\r\n"),
    ),
    *checks(
        "RFC 9112 3.2 Host",
        0,
        port=get(fields=b"Host: a.example:8080\r\n"),
        ipv6=get(fields=b"Host: [::1]:80\r\n"),
        no_host_in_1_0=get(b"GET / HTTP/1.0", b""),
    ),
    *checks(
        "RFC 6585 5",
        431,
        long_field=get(fields=HOST + b"X: " + b"a" * 9000 + b"\r\n"),
        long_name=get(fields=HOST + b"a" * 9000 + b": b\r\n"),
        many_fields=get(fields=HOST + b"X: 1\r\n" * 100),
        many_bytes=get(fields=HOST + b"".join(b"X%d: %b\r\n" % (i, b"a" * 7000) for i in range(10))),
    ),
    *checks("RFC 9110 10.1.1", 417, other_expectation=post(b"Content-Length: 1\r\nExpect: more\r\n", b"x")),
    *checks("RFC 9110 10.1.1", 0, expect_continue=post(b"Content-Length: 1\r\nExpect: 100-Continue\r\n", b"x")),
    *checks("RFC 9110 10.1.1", 400, two_expectations=post(b"Expect: 100-continue\r\nExpect: 100-continue\r\n")),
]

# How a body is framed: the decision table of docs/http.md.
FRAMING = [
    *checks(
        "RFC 9112 6.1",
        0,
        no_body=post(b""),
        length=post(b"Content-Length: 3\r\n", b"abc"),
        length_zero=post(b"Content-Length: 0\r\n"),
        chunked=post(b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
        spaces_around_chunked=post(b"Transfer-Encoding: \t chunked \r\n", b"0\r\n\r\n"),
    ),
    *checks(
        "RFC 9112 6.1",
        400,
        length_and_chunked=post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        chunked_and_length=post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
        chunked_in_1_0=post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", minor=b"0"),
        two_codings_fields=post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        upper_case=post(b"Transfer-Encoding: CHUNKED\r\n", b"0\r\n\r\n"),
        chunked_twice=post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"),
        not_chunked_last=post(b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n"),
        gzip=post(b"Transfer-Encoding: gzip\r\n", b"0\r\n\r\n"),
        identity=post(b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n"),
        xchunked=post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
        empty_coding=post(b"Transfer-Encoding:\r\n", b"0\r\n\r\n"),
        leading_comma=post(b"Transfer-Encoding: , chunked\r\n", b"0\r\n\r\n"),
        trailing_comma=post(b"Transfer-Encoding: chunked,\r\n", b"0\r\n\r\n"),
        parameter=post(b"Transfer-Encoding: chunked;a=b\r\n", b"0\r\n\r\n"),
        vertical_tab=post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"),
        folded=post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"),
        quoted=post(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"),
    ),
    *checks("RFC 9112 6.1", 501, gzip_chunked=post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n")),
    *checks(
        "RFC 9112 6.2",
        400,
        two_lengths=post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abc"),
        the_same_length_twice=post(b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc"),
        comma=post(b"Content-Length: 3, 3\r\n", b"abc"),
        plus=post(b"Content-Length: +3\r\n", b"abc"),
        minus=post(b"Content-Length: -3\r\n", b"abc"),
        minus_zero=post(b"Content-Length: -0\r\n", b""),
        hexadecimal=post(b"Content-Length: 0x3\r\n", b"abc"),
        letters=post(b"Content-Length: abc\r\n", b"abc"),
        empty_length=post(b"Content-Length:\r\n", b"abc"),
        inner_space=post(b"Content-Length: 1 3\r\n", b"abc"),
        leading_zero=post(b"Content-Length: 03\r\n", b"abc"),
        underscore=post(b"Content-Length: 1_0\r\n", b"abc"),
        overflow=post(b"Content-Length: 99999999999999999999\r\n", b"abc"),
        fullwidth="POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \uff13\r\n\r\nabc".encode(),
    ),
]

CHUNKS = [
    *checks(
        "RFC 9112 7.1",
        0,
        several=CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        hexadecimal=CHUNKED + b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
        leading_zeros=CHUNKED + b"003\r\nabc\r\n000\r\n\r\n",
        extension=CHUNKED + b'3;a=b;c;d="e f"\r\nabc\r\n0;last\r\n\r\n',
        trailers=CHUNKED + b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
    ),
    *checks(
        "RFC 9112 7.1",
        400,
        no_size=CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
        prefix=CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
        plus=CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
        minus=CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
        underscore=CHUNKED + b"1_0\r\nabc\r\n0\r\n\r\n",
        space_before=CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n",
        space_behind=CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
        overflow=CHUNKED + b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        lf_behind_size=CHUNKED + b"3\nabc\r\n0\r\n\r\n",
        cr_behind_size=CHUNKED + b"3\rabc\r\n0\r\n\r\n",
        lf_behind_data=CHUNKED + b"3\r\nabc\n0\r\n\r\n",
        too_much_data=CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
        no_end_of_data=CHUNKED + b"3\r\nabc0\r\n\r\n",
    ),
    *checks(
        "RFC 9112 7.1.1",
        400,
        bare_semicolon=CHUNKED + b"3;\r\nabc\r\n0\r\n\r\n",
        no_extension_name=CHUNKED + b"3;=b\r\nabc\r\n0\r\n\r\n",
        space_in_extension=CHUNKED + b"3; a=b\r\nabc\r\n0\r\n\r\n",
        control_in_extension=CHUNKED + b"3;a=\x01\r\nabc\r\n0\r\n\r\n",
        lf_in_extension=CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n",
        cr_in_extension=CHUNKED + b"3;a\rb\r\nabc\r\n0\r\n\r\n",
        open_quote=CHUNKED + b'3;a="b\r\nabc\r\n0\r\n\r\n',
        long_extension=CHUNKED + b"3;" + b"a" * 5000 + b"\r\nabc\r\n0\r\n\r\n",
        many_extensions=CHUNKED + b"".join(b"1;%b\r\nx\r\n" % (b"a" * 1000) for _ in range(20)) + b"0\r\n\r\n",
    ),
    *checks(
        "RFC 9112 7.1.2",
        400,
        length_as_trailer=CHUNKED + b"0\r\nContent-Length: 3\r\n\r\n",
        coding_as_trailer=CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        host_as_trailer=CHUNKED + b"0\r\nHost: b\r\n\r\n",
        malformed_trailer=CHUNKED + b"0\r\nfoo\r\n\r\n",
        folded_trailer=CHUNKED + b"0\r\nX: a\r\n b\r\n\r\n",
        lf_in_trailer=CHUNKED + b"0\r\nX: a\nY: b\r\n\r\n",
    ),
    *checks("RFC 6585 5", 431, many_trailers=CHUNKED + b"0\r\n" + b"X: 1\r\n" * 101 + b"\r\n"),
]

CHECKS = [*REQUEST_LINE, *FIELDS, *FRAMING, *CHUNKS]
