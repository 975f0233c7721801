//! Control requests as Python's msgpack 1.2.4 writes them, and what each must be read as.

/// Name, body in hexadecimal, and the call as `describe` puts it.
pub(crate) const REQUESTS: &[(&str, &str, &str)] = &[
    (
        "beside",
        "92a1316781a870726f7669646572920102",
        "Beside 103 v1: Providers [1, 2]",
    ),
    (
        "flat",
        "93a1316781a870726f7669646572920102",
        "Flat 103 v1: Providers [1, 2]",
    ),
    (
        "nested",
        "9292a1316781a870726f7669646572920102",
        "Nested 103 v1: Providers [1, 2]",
    ),
    (
        "loose",
        "a1316781a870726f7669646572920102",
        "Loose 103 v1: Providers [1, 2]",
    ),
    ("beside without object", "92a13104", "Beside 4 v1: Manager"),
    (
        "beside with nil object",
        "92a13104c0",
        "Beside 4 v1: Manager",
    ),
    (
        "beside with empty array for object",
        "92a1310490",
        "Beside 4 v1: Manager",
    ),
    (
        "flat with nil object",
        "93a131ccccc0",
        "Flat 204 v1: Sessions all",
    ),
    (
        "nested without object",
        "9192a131cccc",
        "Nested 204 v1: Sessions all",
    ),
    (
        "nested with nil object",
        "9292a131ccccc0",
        "Nested 204 v1: Sessions all",
    ),
    ("loose without object", "a13102", "Loose 2 v1: Errors"),
    ("loose with nil object", "a13102c0", "Loose 2 v1: Errors"),
    ("version integer", "92010180", "Beside 1 v1: Exit"),
    (
        "version float",
        "92cb3ff00000000000000180",
        "Beside 1 v1: Exit",
    ),
    ("version nil", "92c00180", "Beside 1 vnone: Exit"),
    (
        "version of another",
        "92a8322e302d626574610180",
        "Beside 1 v2.0-beta (not ours): Exit",
    ),
    (
        "version negative",
        "92fd0180",
        "Beside 1 v-3 (not ours): Exit",
    ),
    ("version empty", "92a00180", "Beside 1 v (not ours): Exit"),
    ("version as bin", "92c401310180", "Beside 1 v1: Exit"),
    (
        "version not UTF-8",
        "92c401ff0180",
        "Beside 1 vnot readable (not ours): Exit",
    ),
    (
        "version huge",
        "92cf80000000000000000180",
        "Beside 1 vnot readable (not ours): Exit",
    ),
    ("loose version integer", "010180", "Loose 1 v1: Exit"),
    ("loose version nil", "c00180", "Loose 1 vnone: Exit"),
    (
        "version boolean",
        "92c30180",
        "Beside 0 vnone: error: the message has a version that is neither text nor a number",
    ),
    ("Exit", "92a1310180", "Beside 1 v1: Exit"),
    ("GetErrorList", "92a1310280", "Beside 2 v1: Errors"),
    (
        "GetViewerInformation",
        "92a1310381a67669657765729107",
        "Beside 3 v1: Viewers [7]",
    ),
    (
        "GetManagerInformation",
        "92a1310480",
        "Beside 4 v1: Manager",
    ),
    (
        "Open",
        "92a1316581a76164647265737382a4686f7374ae6b65726e656c2e6578616d706c65a4706f7274cd6d1b",
        "Beside 101 v1: Open kernel.example 27931",
    ),
    (
        "Open file",
        "92a1316581ab6c6f6766696c656e616d65b72f7661722f6c6f672f726372732f70617269732e6c6f67",
        "Beside 101 v1: Open file /var/log/rcrs/paris.log",
    ),
    (
        "Close",
        "92a1316681a870726f7669646572920103",
        "Beside 102 v1: Close [1, 3]",
    ),
    (
        "GetProviderInformation",
        "92a1316781a870726f76696465729104",
        "Beside 103 v1: Providers [4]",
    ),
    (
        "Connect",
        "92a131ccc981aa636f6e6e656374696f6e82a870726f766964657201a676696577657205",
        "Beside 201 v1: Connect 1<-5",
    ),
    (
        "Disconnect",
        "92a131ccca81a6766965776572920506",
        "Beside 202 v1: Disconnect [5, 6]",
    ),
    (
        "Refresh",
        "92a131cccb81a870726f76696465729101",
        "Beside 203 v1: Refresh [1]",
    ),
    (
        "GetSessionInformation",
        "92a131cccc81a773657373696f6e9109",
        "Beside 204 v1: Sessions [9]",
    ),
    ("Viewers absent", "92a1310380", "Beside 3 v1: Viewers all"),
    (
        "Viewers nil",
        "92a1310381a6766965776572c0",
        "Beside 3 v1: Viewers all",
    ),
    ("Viewers no object", "92a13103", "Beside 3 v1: Viewers all"),
    (
        "Viewers nil object",
        "92a13103c0",
        "Beside 3 v1: Viewers all",
    ),
    (
        "Viewers bare zero",
        "92a1310381a676696577657200",
        "Beside 3 v1: Viewers all",
    ),
    (
        "Viewers empty list means none",
        "92a1310381a676696577657290",
        "Beside 3 v1: Viewers []",
    ),
    (
        "Viewers one bare id",
        "92a1310381a67669657765720c",
        "Beside 3 v1: Viewers [12]",
    ),
    (
        "Viewers id zero in a list is an id",
        "92a1310381a67669657765729100",
        "Beside 3 v1: Viewers [0]",
    ),
    (
        "Viewers old controller",
        "a1310386a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a0a870726f766964657290a773657373696f6e90a676696577657290aa636f6e6e656374696f6e82a870726f766964657200a676696577657200",
        "Loose 3 v1: Viewers all",
    ),
    (
        "Viewers loose with its own empty list only",
        "a1310381a676696577657290",
        "Loose 3 v1: Viewers all",
    ),
    (
        "Viewers every argument filled in, in an array shape",
        "92a1310386a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a0a870726f766964657290a773657373696f6e90a676696577657290aa636f6e6e656374696f6e80",
        "Beside 3 v1: Viewers all",
    ),
    (
        "Viewers unknown keys do not count as filled in",
        "92a1310382a676696577657290a7766572626f7365c3",
        "Beside 3 v1: Viewers []",
    ),
    (
        "Viewers text",
        "92a1310381a6766965776572a133",
        "Beside 3 v1: error: argument viewer is neither an id nor a list of ids",
    ),
    (
        "Viewers text in a list",
        "92a1310381a67669657765729203a134",
        "Beside 3 v1: error: argument viewer holds something that is not an id",
    ),
    (
        "Viewers nil in a list",
        "92a1310381a67669657765729203c0",
        "Beside 3 v1: error: argument viewer holds something that is not an id",
    ),
    (
        "Viewers huge id",
        "92a1310381a6766965776572cfffffffffffffffff",
        "Beside 3 v1: error: argument viewer has an id that is too large",
    ),
    (
        "Viewers too many ids",
        "92a1310381a676696577657295fb7fcc80ce00011170cf0000010000000000",
        "Beside 3 v1: Viewers [-5, 127, 128, 70000, 1099511627776]",
    ),
    (
        "Providers absent",
        "92a1316780",
        "Beside 103 v1: Providers all",
    ),
    (
        "Providers nil",
        "92a1316781a870726f7669646572c0",
        "Beside 103 v1: Providers all",
    ),
    (
        "Providers no object",
        "92a13167",
        "Beside 103 v1: Providers all",
    ),
    (
        "Providers nil object",
        "92a13167c0",
        "Beside 103 v1: Providers all",
    ),
    (
        "Providers bare zero",
        "92a1316781a870726f766964657200",
        "Beside 103 v1: Providers all",
    ),
    (
        "Providers empty list means none",
        "92a1316781a870726f766964657290",
        "Beside 103 v1: Providers []",
    ),
    (
        "Providers one bare id",
        "92a1316781a870726f76696465720c",
        "Beside 103 v1: Providers [12]",
    ),
    (
        "Providers id zero in a list is an id",
        "92a1316781a870726f76696465729100",
        "Beside 103 v1: Providers [0]",
    ),
    (
        "Providers old controller",
        "a1316786a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a0a870726f766964657290a773657373696f6e90a676696577657290aa636f6e6e656374696f6e82a870726f766964657200a676696577657200",
        "Loose 103 v1: Providers all",
    ),
    (
        "Providers loose with its own empty list only",
        "a1316781a870726f766964657290",
        "Loose 103 v1: Providers all",
    ),
    (
        "Providers every argument filled in, in an array shape",
        "92a1316786a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a0a870726f766964657290a773657373696f6e90a676696577657290aa636f6e6e656374696f6e80",
        "Beside 103 v1: Providers all",
    ),
    (
        "Providers unknown keys do not count as filled in",
        "92a1316782a870726f766964657290a7766572626f7365c3",
        "Beside 103 v1: Providers []",
    ),
    (
        "Providers text",
        "92a1316781a870726f7669646572a133",
        "Beside 103 v1: error: argument provider is neither an id nor a list of ids",
    ),
    (
        "Providers text in a list",
        "92a1316781a870726f76696465729203a134",
        "Beside 103 v1: error: argument provider holds something that is not an id",
    ),
    (
        "Providers nil in a list",
        "92a1316781a870726f76696465729203c0",
        "Beside 103 v1: error: argument provider holds something that is not an id",
    ),
    (
        "Providers huge id",
        "92a1316781a870726f7669646572cfffffffffffffffff",
        "Beside 103 v1: error: argument provider has an id that is too large",
    ),
    (
        "Providers too many ids",
        "92a1316781a870726f766964657295fb7fcc80ce00011170cf0000010000000000",
        "Beside 103 v1: Providers [-5, 127, 128, 70000, 1099511627776]",
    ),
    (
        "Refresh absent",
        "92a131cccb80",
        "Beside 203 v1: Refresh all",
    ),
    (
        "Refresh nil",
        "92a131cccb81a870726f7669646572c0",
        "Beside 203 v1: Refresh all",
    ),
    (
        "Refresh no object",
        "92a131cccb",
        "Beside 203 v1: Refresh all",
    ),
    (
        "Refresh nil object",
        "92a131cccbc0",
        "Beside 203 v1: Refresh all",
    ),
    (
        "Refresh bare zero",
        "92a131cccb81a870726f766964657200",
        "Beside 203 v1: Refresh all",
    ),
    (
        "Refresh empty list means none",
        "92a131cccb81a870726f766964657290",
        "Beside 203 v1: Refresh []",
    ),
    (
        "Refresh one bare id",
        "92a131cccb81a870726f76696465720c",
        "Beside 203 v1: Refresh [12]",
    ),
    (
        "Refresh id zero in a list is an id",
        "92a131cccb81a870726f76696465729100",
        "Beside 203 v1: Refresh [0]",
    ),
    (
        "Refresh old controller",
        "a131cccb86a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a0a870726f766964657290a773657373696f6e90a676696577657290aa636f6e6e656374696f6e82a870726f766964657200a676696577657200",
        "Loose 203 v1: Refresh all",
    ),
    (
        "Refresh loose with its own empty list only",
        "a131cccb81a870726f766964657290",
        "Loose 203 v1: Refresh all",
    ),
    (
        "Refresh every argument filled in, in an array shape",
        "92a131cccb86a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a0a870726f766964657290a773657373696f6e90a676696577657290aa636f6e6e656374696f6e80",
        "Beside 203 v1: Refresh all",
    ),
    (
        "Refresh unknown keys do not count as filled in",
        "92a131cccb82a870726f766964657290a7766572626f7365c3",
        "Beside 203 v1: Refresh []",
    ),
    (
        "Refresh text",
        "92a131cccb81a870726f7669646572a133",
        "Beside 203 v1: error: argument provider is neither an id nor a list of ids",
    ),
    (
        "Refresh text in a list",
        "92a131cccb81a870726f76696465729203a134",
        "Beside 203 v1: error: argument provider holds something that is not an id",
    ),
    (
        "Refresh nil in a list",
        "92a131cccb81a870726f76696465729203c0",
        "Beside 203 v1: error: argument provider holds something that is not an id",
    ),
    (
        "Refresh huge id",
        "92a131cccb81a870726f7669646572cfffffffffffffffff",
        "Beside 203 v1: error: argument provider has an id that is too large",
    ),
    (
        "Refresh too many ids",
        "92a131cccb81a870726f766964657295fb7fcc80ce00011170cf0000010000000000",
        "Beside 203 v1: Refresh [-5, 127, 128, 70000, 1099511627776]",
    ),
    (
        "Sessions absent",
        "92a131cccc80",
        "Beside 204 v1: Sessions all",
    ),
    (
        "Sessions nil",
        "92a131cccc81a773657373696f6ec0",
        "Beside 204 v1: Sessions all",
    ),
    (
        "Sessions no object",
        "92a131cccc",
        "Beside 204 v1: Sessions all",
    ),
    (
        "Sessions nil object",
        "92a131ccccc0",
        "Beside 204 v1: Sessions all",
    ),
    (
        "Sessions bare zero",
        "92a131cccc81a773657373696f6e00",
        "Beside 204 v1: Sessions all",
    ),
    (
        "Sessions empty list means none",
        "92a131cccc81a773657373696f6e90",
        "Beside 204 v1: Sessions []",
    ),
    (
        "Sessions one bare id",
        "92a131cccc81a773657373696f6e0c",
        "Beside 204 v1: Sessions [12]",
    ),
    (
        "Sessions id zero in a list is an id",
        "92a131cccc81a773657373696f6e9100",
        "Beside 204 v1: Sessions [0]",
    ),
    (
        "Sessions old controller",
        "a131cccc86a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a0a870726f766964657290a773657373696f6e90a676696577657290aa636f6e6e656374696f6e82a870726f766964657200a676696577657200",
        "Loose 204 v1: Sessions all",
    ),
    (
        "Sessions loose with its own empty list only",
        "a131cccc81a773657373696f6e90",
        "Loose 204 v1: Sessions all",
    ),
    (
        "Sessions every argument filled in, in an array shape",
        "92a131cccc86a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a0a870726f766964657290a773657373696f6e90a676696577657290aa636f6e6e656374696f6e80",
        "Beside 204 v1: Sessions all",
    ),
    (
        "Sessions unknown keys do not count as filled in",
        "92a131cccc82a773657373696f6e90a7766572626f7365c3",
        "Beside 204 v1: Sessions []",
    ),
    (
        "Sessions text",
        "92a131cccc81a773657373696f6ea133",
        "Beside 204 v1: error: argument session is neither an id nor a list of ids",
    ),
    (
        "Sessions text in a list",
        "92a131cccc81a773657373696f6e9203a134",
        "Beside 204 v1: error: argument session holds something that is not an id",
    ),
    (
        "Sessions nil in a list",
        "92a131cccc81a773657373696f6e9203c0",
        "Beside 204 v1: error: argument session holds something that is not an id",
    ),
    (
        "Sessions huge id",
        "92a131cccc81a773657373696f6ecfffffffffffffffff",
        "Beside 204 v1: error: argument session has an id that is too large",
    ),
    (
        "Sessions too many ids",
        "92a131cccc81a773657373696f6e95fb7fcc80ce00011170cf0000010000000000",
        "Beside 204 v1: Sessions [-5, 127, 128, 70000, 1099511627776]",
    ),
    (
        "Close absent",
        "92a1316680",
        "Beside 102 v1: error: argument provider is missing",
    ),
    (
        "Close nil",
        "92a1316681a870726f7669646572c0",
        "Beside 102 v1: error: argument provider is missing",
    ),
    (
        "Close bare zero",
        "92a1316681a870726f766964657200",
        "Beside 102 v1: error: argument provider is missing",
    ),
    (
        "Close empty list means none",
        "92a1316681a870726f766964657290",
        "Beside 102 v1: Close []",
    ),
    (
        "Close one bare id",
        "92a1316681a870726f766964657203",
        "Beside 102 v1: Close [3]",
    ),
    (
        "Close old controller",
        "a1316686a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a0a870726f766964657290a773657373696f6e90a676696577657290aa636f6e6e656374696f6e82a870726f766964657200a676696577657200",
        "Loose 102 v1: error: argument provider is missing",
    ),
    (
        "Close old controller with ids",
        "a1316686a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a0a870726f76696465729102a773657373696f6e90a67669657765729102aa636f6e6e656374696f6e82a870726f766964657200a676696577657200",
        "Loose 102 v1: Close [2]",
    ),
    (
        "Close map",
        "92a1316681a870726f766964657281a16101",
        "Beside 102 v1: error: argument provider is neither an id nor a list of ids",
    ),
    (
        "Disconnect absent",
        "92a131ccca80",
        "Beside 202 v1: error: argument viewer is missing",
    ),
    (
        "Disconnect nil",
        "92a131ccca81a6766965776572c0",
        "Beside 202 v1: error: argument viewer is missing",
    ),
    (
        "Disconnect bare zero",
        "92a131ccca81a676696577657200",
        "Beside 202 v1: error: argument viewer is missing",
    ),
    (
        "Disconnect empty list means none",
        "92a131ccca81a676696577657290",
        "Beside 202 v1: Disconnect []",
    ),
    (
        "Disconnect one bare id",
        "92a131ccca81a676696577657203",
        "Beside 202 v1: Disconnect [3]",
    ),
    (
        "Disconnect old controller",
        "a131ccca86a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a0a870726f766964657290a773657373696f6e90a676696577657290aa636f6e6e656374696f6e82a870726f766964657200a676696577657200",
        "Loose 202 v1: error: argument viewer is missing",
    ),
    (
        "Disconnect old controller with ids",
        "a131ccca86a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a0a870726f76696465729102a773657373696f6e90a67669657765729102aa636f6e6e656374696f6e82a870726f766964657200a676696577657200",
        "Loose 202 v1: Disconnect [2]",
    ),
    (
        "Disconnect map",
        "92a131ccca81a676696577657281a16101",
        "Beside 202 v1: error: argument viewer is neither an id nor a list of ids",
    ),
    (
        "Open pair",
        "92a1316581a76164647265737392a168cd1b58",
        "Beside 101 v1: Open h 7000",
    ),
    (
        "Open both: address wins",
        "92a1316582ab6c6f6766696c656e616d65a166a76164647265737382a4686f7374a168a4706f7274cd1b58",
        "Beside 101 v1: Open h 7000",
    ),
    (
        "Open address beside a file of the wrong type",
        "92a1316582ab6c6f6766696c656e616d6505a76164647265737382a4686f7374a168a4706f7274cd1b58",
        "Beside 101 v1: Open h 7000",
    ),
    (
        "Open old controller, file",
        "a1316585a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a5662e6c6f67a870726f766964657290a773657373696f6e90a676696577657290",
        "Loose 101 v1: Open file f.log",
    ),
    (
        "Open old controller, address",
        "a1316585a76164647265737382a4686f7374a168a4706f7274cd1b58ab6c6f6766696c656e616d65a0a870726f766964657290a773657373696f6e90a676696577657290",
        "Loose 101 v1: Open h 7000",
    ),
    (
        "Open old controller, port left over",
        "a1316582a76164647265737382a4686f7374a0a4706f7274cd1b58ab6c6f6766696c656e616d65a5662e6c6f67",
        "Loose 101 v1: Open file f.log",
    ),
    (
        "Open host without port, and a file",
        "92a1316582a76164647265737381a4686f7374a168ab6c6f6766696c656e616d65a5662e6c6f67",
        "Beside 101 v1: Open file f.log",
    ),
    (
        "Open nil address",
        "92a1316582a761646472657373c0ab6c6f6766696c656e616d65a166",
        "Beside 101 v1: Open file f",
    ),
    (
        "Open empty address forms",
        "92a1316582a76164647265737390ab6c6f6766696c656e616d65a166",
        "Beside 101 v1: Open file f",
    ),
    (
        "Open zero address",
        "92a1316582a76164647265737300ab6c6f6766696c656e616d65a166",
        "Beside 101 v1: Open file f",
    ),
    (
        "Open empty text address",
        "92a1316582a761646472657373a0ab6c6f6766696c656e616d65a166",
        "Beside 101 v1: Open file f",
    ),
    (
        "Open nil host and port",
        "92a1316582a76164647265737382a4686f7374c0a4706f7274c0ab6c6f6766696c656e616d65a166",
        "Beside 101 v1: Open file f",
    ),
    (
        "Open extra keys",
        "92a1316582a1789180a76164647265737384a570726f746fa3746370a4706f7274cd1b58a4686f7374a168a3746c7381a1619101",
        "Beside 101 v1: Open h 7000",
    ),
    (
        "Open bin text",
        "92a1316581c4076164647265737382c404686f7374c40168c404706f7274cd1b58",
        "Beside 101 v1: Open h 7000",
    ),
    (
        "Open nothing",
        "92a1316580",
        "Beside 101 v1: error: argument address is missing, and logfilename too",
    ),
    (
        "Open no object",
        "92a13165",
        "Beside 101 v1: error: argument address is missing, and logfilename too",
    ),
    (
        "Open all defaults",
        "a1316582a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a0",
        "Loose 101 v1: error: argument address is missing, and logfilename too",
    ),
    (
        "Open no port",
        "92a1316581a76164647265737381a4686f7374a168",
        "Beside 101 v1: error: argument address has no port",
    ),
    (
        "Open port zero",
        "92a1316581a76164647265737392a16800",
        "Beside 101 v1: error: argument address has no port",
    ),
    (
        "Open no host",
        "92a1316581a76164647265737382a4686f7374a0a4706f727401",
        "Beside 101 v1: error: argument address has no host",
    ),
    (
        "Open port too large",
        "92a1316581a76164647265737392a168ce00010000",
        "Beside 101 v1: error: argument address has a port that is not between 1 and 65535",
    ),
    (
        "Open port negative",
        "92a1316581a76164647265737392a168ff",
        "Beside 101 v1: error: argument address has a port that is not between 1 and 65535",
    ),
    (
        "Open port text",
        "92a1316581a76164647265737392a168a437303030",
        "Beside 101 v1: error: argument address is not an integer",
    ),
    (
        "Open host number",
        "92a1316581a7616464726573739205cd1b58",
        "Beside 101 v1: error: argument address is not text",
    ),
    (
        "Open host not UTF-8",
        "92a1316581a76164647265737392c402c328cd1b58",
        "Beside 101 v1: error: argument address is not UTF-8",
    ),
    (
        "Open address text",
        "92a1316581a761646472657373a6683a37303030",
        "Beside 101 v1: error: argument address is not a map",
    ),
    (
        "Open address triple",
        "92a1316581a76164647265737393a1680102",
        "Beside 101 v1: error: argument address is not a map",
    ),
    (
        "Open file number",
        "92a1316581ab6c6f6766696c656e616d6505",
        "Beside 101 v1: error: argument logfilename is not text",
    ),
    (
        "Connect viewers",
        "92a131ccc981aa636f6e6e656374696f6e82a6766965776572920506a870726f766964657201",
        "Beside 201 v1: Connect 1<-5 1<-6",
    ),
    (
        "Connect lists of one",
        "92a131ccc981aa636f6e6e656374696f6e82a870726f76696465729101a67669657765729105",
        "Beside 201 v1: Connect 1<-5",
    ),
    (
        "Connect pairwise",
        "92a131ccc981aa636f6e6e656374696f6e82a870726f7669646572920102a6766965776572920506",
        "Beside 201 v1: Connect 1<-5 2<-6",
    ),
    (
        "Connect several",
        "92a131ccc981aa636f6e6e656374696f6e9282a870726f766964657201a67669657765720582a870726f766964657202a6766965776572920607",
        "Beside 201 v1: Connect 1<-5 2<-6 2<-7",
    ),
    (
        "Connect as the object itself",
        "92a131ccc982a870726f766964657201a676696577657205",
        "Beside 201 v1: Connect 1<-5",
    ),
    (
        "Connect object itself beside a default connection",
        "92a131ccc983a870726f766964657201a676696577657205aa636f6e6e656374696f6e82a870726f766964657200a676696577657200",
        "Beside 201 v1: Connect 1<-5",
    ),
    (
        "Connect old controller",
        "a131ccc986a76164647265737382a4686f7374a0a4706f727400ab6c6f6766696c656e616d65a0a870726f766964657290a773657373696f6e90a676696577657290aa636f6e6e656374696f6e82a870726f766964657201a676696577657205",
        "Loose 201 v1: Connect 1<-5",
    ),
    (
        "Connect absent",
        "92a131ccc980",
        "Beside 201 v1: error: argument connection is missing",
    ),
    (
        "Connect nil",
        "92a131ccc981aa636f6e6e656374696f6ec0",
        "Beside 201 v1: error: argument connection is missing",
    ),
    (
        "Connect empty map",
        "92a131ccc981aa636f6e6e656374696f6e80",
        "Beside 201 v1: error: argument connection is missing",
    ),
    (
        "Connect empty list",
        "92a131ccc981aa636f6e6e656374696f6e90",
        "Beside 201 v1: error: argument connection is missing",
    ),
    (
        "Connect zero",
        "92a131ccc981aa636f6e6e656374696f6e00",
        "Beside 201 v1: error: argument connection is missing",
    ),
    (
        "Connect zeros",
        "92a131ccc981aa636f6e6e656374696f6e82a870726f766964657200a676696577657200",
        "Beside 201 v1: error: argument connection is missing",
    ),
    (
        "Connect empty lists",
        "92a131ccc981aa636f6e6e656374696f6e82a870726f766964657290a676696577657290",
        "Beside 201 v1: error: argument connection is missing",
    ),
    (
        "Connect no viewer",
        "92a131ccc981aa636f6e6e656374696f6e81a870726f766964657201",
        "Beside 201 v1: error: argument connection names no viewer",
    ),
    (
        "Connect no provider",
        "92a131ccc981aa636f6e6e656374696f6e81a67669657765729101",
        "Beside 201 v1: error: argument connection names no provider",
    ),
    (
        "Connect object itself half",
        "92a131ccc981a67669657765729101",
        "Beside 201 v1: error: argument connection names no provider",
    ),
    (
        "Connect uneven",
        "92a131ccc981aa636f6e6e656374696f6e82a870726f7669646572920102a676696577657293050607",
        "Beside 201 v1: error: argument connection has several providers but not one viewer for each",
    ),
    (
        "Connect one empty of several",
        "92a131ccc981aa636f6e6e656374696f6e9282a870726f766964657201a67669657765720580",
        "Beside 201 v1: error: argument connection has an empty connection",
    ),
    (
        "Connect text",
        "92a131ccc981aa636f6e6e656374696f6ea3312d35",
        "Beside 201 v1: error: argument connection is not a map",
    ),
    (
        "Connect list of ids",
        "92a131ccc981aa636f6e6e656374696f6e920105",
        "Beside 201 v1: error: argument connection is not a map",
    ),
    (
        "Connect bad id",
        "92a131ccc981aa636f6e6e656374696f6e82a870726f766964657201a6766965776572a135",
        "Beside 201 v1: error: argument connection is neither an id nor a list of ids",
    ),
    (
        "a key given twice: the last one counts",
        "92a1316782a870726f76696465729101a870726f76696465729102",
        "Beside 103 v1: Providers [2]",
    ),
    (
        "keys that are not text",
        "92a1316783059101c080a870726f76696465729108",
        "Beside 103 v1: Providers [8]",
    ),
    (
        "object is a number",
        "92a1316705",
        "Beside 103 v1: error: argument object is not a map",
    ),
    (
        "object is a list",
        "92a131679101",
        "Beside 103 v1: error: argument object is not a map",
    ),
    (
        "unknown function",
        "92a131cd03e781a17801",
        "Beside 999 v1: error: there is no function 999",
    ),
    (
        "unknown function, loose",
        "a1310080",
        "Loose 0 v1: error: there is no function 0",
    ),
    (
        "unknown function, flat",
        "93a131ff80",
        "Flat -1 v1: error: there is no function -1",
    ),
    (
        "unknown function, nested, object of the wrong type",
        "9292a1316407",
        "Nested 100 v1: error: there is no function 100",
    ),
    (
        "no bytes",
        "",
        "Beside 0 vnone: error: the message ends in the middle of a value",
    ),
    (
        "a viewer's request",
        "81a77265717565737401",
        "Beside 0 vnone: error: the message has no data header; a viewer's request goes to the viewer port",
    ),
    (
        "id is text",
        "92a131a331303380",
        "Beside 0 vnone: error: the message has no whole number for a function id",
    ),
    (
        "id is nil",
        "92a131c080",
        "Beside 0 vnone: error: the message has no whole number for a function id",
    ),
    (
        "id is a float",
        "92a131cb4059c0000000000080",
        "Beside 0 vnone: error: the message has no whole number for a function id",
    ),
    (
        "id is huge",
        "92a131cf800000000000000080",
        "Beside 0 vnone: error: the message has no whole number for a function id",
    ),
    (
        "header of one",
        "91a13180",
        "Beside 0 vnone: error: the message has no data header [version, id]",
    ),
    (
        "header of none",
        "90",
        "Beside 0 vnone: error: the message has no data header [version, id]",
    ),
    (
        "header of four",
        "94a131018080",
        "Beside 0 vnone: error: the message has no data header [version, id]",
    ),
    (
        "bytes behind",
        "92a131018080",
        "Beside 0 vnone: error: the message has bytes behind the data object",
    ),
    (
        "bytes behind, flat",
        "93a131018080",
        "Flat 0 vnone: error: the message has bytes behind the data object",
    ),
    (
        "bytes behind, loose",
        "a131018080",
        "Loose 0 vnone: error: the message has bytes behind the data object",
    ),
    (
        "version alone",
        "a131",
        "Loose 0 vnone: error: the message has no whole number for a function id",
    ),
    (
        "boolean first",
        "c3",
        "Beside 0 vnone: error: the message has no data header [version, id]",
    ),
    (
        "cut off",
        "92a1316781a870726f76696465729201",
        "Beside 0 vnone: error: the message ends in the middle of a value",
    ),
    (
        "reserved byte",
        "92a13167c1",
        "Beside 0 vnone: error: the message holds the byte c1, which MsgPack does not use",
    ),
    (
        "deep",
        "92a13167919191919191919191919191919191919191919191919191919191919191919191c0",
        "Beside 0 vnone: error: the message nests too deeply",
    ),
    (
        "deep enough",
        "92a1316781a17891919191919191919191919191919191919191919191919191919191919191c0",
        "Beside 103 v1: Providers all",
    ),
    (
        "array announcing four thousand millions",
        "92a1316781a870726f7669646572ddffffffff",
        "Beside 0 vnone: error: the message ends in the middle of a value",
    ),
    (
        "map announcing four thousand millions",
        "92a13167dfffffffff",
        "Beside 0 vnone: error: the message ends in the middle of a value",
    ),
    (
        "text announcing four thousand millions",
        "92a13167dbffffffff",
        "Beside 0 vnone: error: the message ends in the middle of a value",
    ),
];
