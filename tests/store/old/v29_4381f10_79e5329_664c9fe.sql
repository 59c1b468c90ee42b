PRAGMA application_id = 1953655650;
PRAGMA user_version = 29;
PRAGMA auto_vacuum = 2;
PRAGMA page_size = 4096;
BEGIN TRANSACTION;
CREATE TABLE actions (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
    subject TEXT NOT NULL, n INTEGER NOT NULL
);
CREATE TABLE aliases (
    key BLOB NOT NULL, belongs_to BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (key, belongs_to)
) WITHOUT ROWID;
CREATE TABLE attempted (
    delivery INTEGER NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    PRIMARY KEY (delivery, attempt)
) WITHOUT ROWID;
INSERT INTO "attempted" VALUES(1,1);
INSERT INTO "attempted" VALUES(2,1);
INSERT INTO "attempted" VALUES(3,2);
INSERT INTO "attempted" VALUES(4,3);
INSERT INTO "attempted" VALUES(8,4);
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    took INTEGER NOT NULL,
    status INTEGER,
    outcome TEXT NOT NULL,
    answer TEXT NOT NULL,
    counted INTEGER NOT NULL,
    ambiguous INTEGER NOT NULL
, made_by INTEGER);
INSERT INTO "attempts" VALUES(1,'track',1740830400000,120,200,'delivered','the upstream''s words',1,0,NULL);
INSERT INTO "attempts" VALUES(2,'track',1740830400000,120,400,'refused','the upstream''s words',1,0,NULL);
INSERT INTO "attempts" VALUES(3,'track',1740830400000,120,503,'later','the upstream''s words',1,0,NULL);
INSERT INTO "attempts" VALUES(4,'ads',1740830400000,90,401,'paused','no such key',0,0,NULL);
CREATE TABLE bodies (number INTEGER PRIMARY KEY AUTOINCREMENT, bytes BLOB NOT NULL, form INTEGER NOT NULL DEFAULT 0);
INSERT INTO "bodies" VALUES(1,X'28B52FFD640201950100A4027B226964223A2022772D7472616E736C61746564222C20226E6F7465223A20226D61646520757020227D0100A89E5ACAF9D68B2C',1);
INSERT INTO "bodies" VALUES(2,X'28B52FFD64FF007D010074027B226964223A2022772D69676E6F726564222C20226E6F7465223A20226D61646520757020227D0100AD9E5A9EE069FB82',1);
INSERT INTO "bodies" VALUES(3,X'7B226964223A2022772D6173696465222C20226E6F7465223A20226D61646520757020227D',0);
INSERT INTO "bodies" VALUES(4,X'28B52FFD64FF007D010074027B226964223A2022772D77616974696E67222C20226E6F7465223A20226D61646520757020227D0100AD9E5A9EB81A6881',1);
INSERT INTO "bodies" VALUES(5,X'28B52FFD64FF007D010074027B226964223A2022772D636C61696D6564222C20226E6F7465223A20226D61646520757020227D0100AD9E5A9EE5B73AE5',1);
INSERT INTO "bodies" VALUES(6,X'5B7B226964223A2022772D6974656D2D30227D2C207B226964223A2022772D6974656D2D31227D5D',0);
INSERT INTO "bodies" VALUES(7,X'7B226964223A2022772D7265636569766564222C20226E6F7465223A20226D61646520757020227D',0);
INSERT INTO "bodies" VALUES(8,X'7B226964223A2022772D72656365697665642D746F6F222C20226E6F7465223A20226D61646520757020227D',0);
CREATE TABLE claims (
    token INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    until INTEGER NOT NULL,
    held TEXT NOT NULL           -- JSON: [[delivery, due], …]
);
INSERT INTO "claims" VALUES(4,'track',1740830460000,'[[5, 1740830400000]]');
CREATE TABLE console_secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE counts (
    of TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (of, name, state)
) WITHOUT ROWID;
INSERT INTO "counts" VALUES('deliveries','ads','pending',1);
INSERT INTO "counts" VALUES('deliveries','track','dead',1);
INSERT INTO "counts" VALUES('deliveries','track','delivered',2);
INSERT INTO "counts" VALUES('deliveries','track','pending',3);
INSERT INTO "counts" VALUES('deliveries','track','skipped',1);
INSERT INTO "counts" VALUES('events','purchase','duplicate',1);
INSERT INTO "counts" VALUES('events','purchase','fresh',8);
INSERT INTO "counts" VALUES('webhooks','shopify','ignored',1);
INSERT INTO "counts" VALUES('webhooks','shopify','received',6);
INSERT INTO "counts" VALUES('webhooks','shopify','set_aside',1);
INSERT INTO "counts" VALUES('webhooks','shopify','translated',1);
CREATE TABLE days (
    day INTEGER NOT NULL, source TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (day, source, state)
) WITHOUT ROWID;
INSERT INTO "days" VALUES(20148,'shopify','ignored',1);
INSERT INTO "days" VALUES(20148,'shopify','received',6);
INSERT INTO "days" VALUES(20148,'shopify','set_aside',1);
INSERT INTO "days" VALUES(20148,'shopify','translated',1);
CREATE TABLE deferred (
    webhook INTEGER PRIMARY KEY REFERENCES webhooks ON DELETE CASCADE,
    at INTEGER NOT NULL, rank INTEGER NOT NULL, lends BLOB NOT NULL
);
CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    event INTEGER NOT NULL REFERENCES events ON DELETE CASCADE,
    destination TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'skipped', 'dead')),
    reason TEXT,
    due INTEGER NOT NULL,        -- when a pending one may be claimed: next attempt, or the end of a lease
    attempts INTEGER NOT NULL DEFAULT 0,
    together INTEGER,
    first_attempt_at INTEGER,
    paused_for INTEGER,          -- how long its destination had been paused in all, at the first attempt
    token INTEGER,               -- the claim that it is or was under
    last_attempt INTEGER,        -- attempts.number
    created_at INTEGER NOT NULL,
    delivered_at INTEGER
, revision INTEGER);
INSERT INTO "deliveries" VALUES(1,1,'track','delivered',NULL,1740830400000,1,NULL,1740830400000,0,NULL,1,1740830400000,1740830400000,NULL);
INSERT INTO "deliveries" VALUES(2,2,'track','delivered',NULL,1740830400000,1,NULL,1740830400000,0,NULL,1,1740830400000,1740830400000,NULL);
INSERT INTO "deliveries" VALUES(3,3,'track','dead','400 the upstream''s words',1740830400000,1,NULL,1740830400000,0,NULL,2,1740830400000,NULL,NULL);
INSERT INTO "deliveries" VALUES(4,4,'track','pending','503 the upstream''s words',1740830460000,1,NULL,1740830400000,0,NULL,3,1740830400000,NULL,NULL);
INSERT INTO "deliveries" VALUES(5,5,'track','pending',NULL,1740830460000,0,NULL,NULL,NULL,4,NULL,1740830400000,NULL,NULL);
INSERT INTO "deliveries" VALUES(6,6,'track','pending',NULL,1740830400000,0,NULL,NULL,NULL,NULL,NULL,1740830400000,NULL,NULL);
INSERT INTO "deliveries" VALUES(7,8,'track','skipped','a test',1740830400000,0,NULL,NULL,NULL,NULL,NULL,1740830400000,NULL,NULL);
INSERT INTO "deliveries" VALUES(8,9,'ads','pending','401 no such key',1740830460000,0,NULL,1740830400000,0,NULL,4,1740830400000,NULL,NULL);
CREATE TABLE delivery_reasons (
    day INTEGER NOT NULL, destination TEXT NOT NULL, event_type TEXT NOT NULL, state TEXT NOT NULL,
    reason TEXT NOT NULL, n INTEGER NOT NULL, ever INTEGER NOT NULL,
    PRIMARY KEY (day, destination, event_type, state, reason)
) WITHOUT ROWID;
INSERT INTO "delivery_reasons" VALUES(20148,'track','purchase','dead','400 the upstream''s words',1,1);
INSERT INTO "delivery_reasons" VALUES(20148,'track','purchase','delivered','',2,2);
INSERT INTO "delivery_reasons" VALUES(20148,'track','purchase','skipped','a test',1,1);
CREATE TABLE earlier_repeated (event INTEGER PRIMARY KEY REFERENCES events ON DELETE CASCADE);
CREATE TABLE earlier_versions (last_webhook INTEGER NOT NULL);
INSERT INTO "earlier_versions" VALUES(9);
CREATE TABLE event_names (
    event INTEGER NOT NULL REFERENCES events ON DELETE CASCADE, name INTEGER NOT NULL, PRIMARY KEY (event, name)
) WITHOUT ROWID;
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    origin TEXT NOT NULL,
    event_type TEXT NOT NULL,
    test INTEGER NOT NULL,
    text BLOB NOT NULL,
    occurred_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    order_id TEXT,
    value TEXT,
    currency TEXT,
    notes TEXT NOT NULL,      -- JSON, or '' for none
    hashed TEXT NOT NULL,     -- JSON, or '' for none
    claims BLOB NOT NULL,     -- its ledger keys, 16 bytes each
    webhook INTEGER REFERENCES webhooks ON DELETE SET NULL,
    duplicate_of INTEGER,     -- events.number of the original
    differs INTEGER NOT NULL  -- a duplicate's value or currency is not the original's
, given_id TEXT, mapping TEXT, rank INTEGER NOT NULL DEFAULT 0, dedupes INTEGER NOT NULL DEFAULT 0, of_order INTEGER);
INSERT INTO "events" VALUES(1,'e-translated','source:shopify','purchase',0,X'7B226576656E745F6964223A22652D7472616E736C61746564222C226576656E745F74797065223A227075726368617365227D',1740830400000,1740830400000,'order-e-translated','19.90','EUR','["shopify.yaml:3: left out"]','["email"]',X'D688506F791BE7126A8762A41D936D16',1,NULL,0,'',NULL,0,0,NULL);
INSERT INTO "events" VALUES(2,'e-done','key:web','purchase',0,X'7B226576656E745F6964223A22652D646F6E65222C226576656E745F74797065223A227075726368617365227D',1740830400000,1740830400000,'order-e-done','19.90','EUR','["shopify.yaml:3: left out"]','["email"]',X'398BC342982547FC143596AAEC0FD79F',NULL,NULL,0,'',NULL,0,0,NULL);
INSERT INTO "events" VALUES(3,'e-dead','key:web','purchase',0,X'7B226576656E745F6964223A22652D64656164222C226576656E745F74797065223A227075726368617365227D',1740830400000,1740830400000,'order-e-dead','19.90','EUR','["shopify.yaml:3: left out"]','["email"]',X'F204B0C55CC0B76F1B9D4D316A8F0C42',NULL,NULL,0,'',NULL,0,0,NULL);
INSERT INTO "events" VALUES(4,'e-later','key:web','purchase',0,X'7B226576656E745F6964223A22652D6C61746572222C226576656E745F74797065223A227075726368617365227D',1740830400000,1740830400000,'order-e-later','19.90','EUR','["shopify.yaml:3: left out"]','["email"]',X'2BAFB8B47DFBA615B23844EC0D15C770',NULL,NULL,0,'',NULL,0,0,NULL);
INSERT INTO "events" VALUES(5,'e-new','key:web','purchase',0,X'7B226576656E745F6964223A22652D6E6577222C226576656E745F74797065223A227075726368617365227D',1740830400000,1740830400000,'order-e-new','19.90','EUR','["shopify.yaml:3: left out"]','["email"]',X'AC6C69F0521FBD40628FBE8F13EAEDEA',NULL,NULL,0,'',NULL,0,0,NULL);
INSERT INTO "events" VALUES(6,'e-due','key:web','purchase',0,X'7B226576656E745F6964223A22652D647565222C226576656E745F74797065223A227075726368617365227D',1740830400000,1740830400000,'order-e-due','19.90','EUR','["shopify.yaml:3: left out"]','["email"]',X'86E48EDEAFBCC23E0627621018CAFCCC',NULL,NULL,0,'',NULL,0,0,NULL);
INSERT INTO "events" VALUES(7,'e-double','key:web','purchase',0,X'7B226576656E745F6964223A22652D646F75626C65222C226576656E745F74797065223A227075726368617365227D',1740830400000,1740830400000,'order-e-new','19.90','EUR','["shopify.yaml:3: left out"]','["email"]',X'AC6C69F0521FBD40628FBE8F13EAEDEA',NULL,5,0,'',NULL,0,0,NULL);
INSERT INTO "events" VALUES(8,'e-skipped','key:web','purchase',0,X'7B226576656E745F6964223A22652D736B6970706564222C226576656E745F74797065223A227075726368617365227D',1740830400000,1740830400000,'order-e-skipped','19.90','EUR','["shopify.yaml:3: left out"]','["email"]',X'9CB72DF35A40ACC0121855CF347E6547',NULL,NULL,0,'',NULL,0,0,NULL);
INSERT INTO "events" VALUES(9,'e-paused','key:web','purchase',0,X'7B226576656E745F6964223A22652D706175736564222C226576656E745F74797065223A227075726368617365227D',1740830400000,1740830400000,'order-e-paused','19.90','EUR','["shopify.yaml:3: left out"]','["email"]',X'D0FE87DEF6A8202478CDB0B6DCAD8ECD',NULL,NULL,0,'',NULL,0,0,NULL);
CREATE TABLE heartbeats (
    node TEXT NOT NULL, process TEXT NOT NULL, role TEXT NOT NULL, pid INTEGER NOT NULL, started_at INTEGER NOT NULL,
    at INTEGER NOT NULL, stopped INTEGER NOT NULL, trouble TEXT NOT NULL, settings TEXT NOT NULL,
    PRIMARY KEY (node, process)
) WITHOUT ROWID;
CREATE TABLE idempotency (
    key BLOB PRIMARY KEY, body_hash BLOB NOT NULL, answer TEXT NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "idempotency" VALUES(X'78710D96A2A17949BE5C0CD30D4974D2',X'BBC9A03E8F8BD2D4207EC16A4173A13DF0109D3568DD96C82D079A1ED1518547','[["e-new", null, null]]',1740830400000);
CREATE TABLE inbox_files (name TEXT PRIMARY KEY, sorted INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "inbox_files" VALUES('01795891643935014516-03880a59',1348);
CREATE TABLE lasts (source TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "lasts" VALUES('shopify',1740830400000);
CREATE TABLE ledger (key BLOB PRIMARY KEY, number INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE login_codes (digest BLOB PRIMARY KEY, key BLOB NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE mapping_drafts (
    mapping TEXT NOT NULL, who TEXT NOT NULL, at INTEGER NOT NULL, begun_from BLOB NOT NULL, bytes BLOB NOT NULL,
    form INTEGER NOT NULL, PRIMARY KEY (mapping, who)
) WITHOUT ROWID;
CREATE TABLE mapping_texts (
    number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, name TEXT NOT NULL, first_at INTEGER NOT NULL,
    bytes BLOB NOT NULL, form INTEGER NOT NULL
);
CREATE TABLE match_keys (
    day INTEGER NOT NULL, event_type TEXT NOT NULL, key TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (day, event_type, key)
) WITHOUT ROWID;
INSERT INTO "match_keys" VALUES(20148,'purchase','',8);
CREATE TABLE moved_to (
    one INTEGER PRIMARY KEY CHECK (one = 1), token TEXT NOT NULL, target TEXT NOT NULL, history TEXT NOT NULL,
    begun_at INTEGER NOT NULL, finished_at INTEGER
);
CREATE TABLE people_key (one INTEGER PRIMARY KEY CHECK (one = 1), key BLOB NOT NULL, last_event INTEGER NOT NULL);
CREATE TABLE probes (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL, believed INTEGER NOT NULL DEFAULT 0, passed INTEGER NOT NULL DEFAULT 0);
INSERT INTO "probes" VALUES(1,1740830400000,1740830400000,0);
CREATE TABLE purged_events (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, origin TEXT NOT NULL, event_type TEXT NOT NULL, order_id TEXT,
    value TEXT, currency TEXT, webhook INTEGER, mapping TEXT, rank INTEGER NOT NULL, duplicate_of INTEGER,
    created_at INTEGER NOT NULL
);
CREATE TABLE quarters (
    quarter INTEGER NOT NULL, of TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (quarter, of, name, state)
) WITHOUT ROWID;
INSERT INTO "quarters" VALUES(1934256,'delivery','track','dead',1);
INSERT INTO "quarters" VALUES(1934256,'delivery','track','delivered',2);
INSERT INTO "quarters" VALUES(1934256,'webhook','shopify','ignored',1);
INSERT INTO "quarters" VALUES(1934256,'webhook','shopify','set_aside',1);
INSERT INTO "quarters" VALUES(1934256,'webhook','shopify','translated',1);
CREATE TABLE recent (
    number INTEGER PRIMARY KEY AUTOINCREMENT, nonce INTEGER NOT NULL, until INTEGER NOT NULL,
    sorted INTEGER NOT NULL, entries BLOB NOT NULL
);
INSERT INTO "recent" VALUES(1,-991505485761594168,6,0,X'292E3F81B7075A2B82596AFBF477CB440000000000000001000001955193DE00E77E2F312586E7A9D445924DE4B714EB0000000000000001000001955193DE0086BC477A2012059D8DD5BBA638E0CFCF0000000000000002000001955193DE005542D8009AB25DE8360BDC3895C01E410000000000000002000001955193DE0084B04353CBFCC110207EF24AE142342E0000000000000003000001955193DE00D073CEA97432D6B5C34E7378DA975D0B0000000000000003000001955193DE00');
INSERT INTO "recent" VALUES(2,9102673956549191871,9,0,X'E848575106F7C1AE8EB6A2AAF11520C20000000000000001000001955193DE000DEC7799E9306C971F4D08FFAFBDBDAA0000000000000001000001955193DE00D688506F791BE7126A8762A41D936D160000000000000001000001955193DE00');
INSERT INTO "recent" VALUES(3,4497515433111375556,11,0,X'ABEBE600445D25828227282195432E050000000000000004000001955193DE00D0C5FC58623582873071C5C29F295BFE0000000000000004000001955193DE00');
INSERT INTO "recent" VALUES(4,-3832060216095487723,13,0,X'A9B4F26D7D20083E844D9E611EBFFD4A0000000000000005000001955193DE0031BB5C030B6EAC1775F5C289312E51800000000000000005000001955193DE00');
INSERT INTO "recent" VALUES(5,-2022983347991993721,15,0,X'4F562AF2394A14C5535B7C23AB5DDDE00000000000000006000001955193DE00F577E2B61666081F215AD7DBC5FD353E0000000000000007000001955193DE00');
INSERT INTO "recent" VALUES(6,-3598877686847073616,19,0,X'4D022AA9D366BD766D3FEAC9216987680000000000000008000001955193DE00DEAE8F255F13C384EEE72DCA52F223B50000000000000008000001955193DE00ED6610B45E2BB205CE11EA8042F2AE980000000000000009000001955193DE00D3FA4EC186092163BDDC73A2DD2AC5D70000000000000009000001955193DE00');
INSERT INTO "recent" VALUES(7,-8158601806840309202,22,0,X'2EB72FAE2DA8965518CF2D2198EDA78A0000000000000002000001955193DE000054C82F27C4937C17A81051720CB7F60000000000000002000001955193DE00398BC342982547FC143596AAEC0FD79F0000000000000002000001955193DE00');
INSERT INTO "recent" VALUES(8,1061850817415455858,25,0,X'8C2F239BEAD8067BE00913F946274A070000000000000003000001955193DE00573640C7F5B0882FF8D660967B7F8ABD0000000000000003000001955193DE00F204B0C55CC0B76F1B9D4D316A8F0C420000000000000003000001955193DE00');
INSERT INTO "recent" VALUES(9,-6260960764783276061,28,0,X'0ECB54C805A7707A0461A21D6CDC88380000000000000004000001955193DE00B1EAE73E162EF6FDC86C32CA32AA50F40000000000000004000001955193DE002BAFB8B47DFBA615B23844EC0D15C7700000000000000004000001955193DE00');
INSERT INTO "recent" VALUES(10,-8754333793858273746,31,0,X'8B8BB061A26CEB0317BD29A5D7F54D020000000000000005000001955193DE007F069FFB6DCC3008B02BAF1D72DA558F0000000000000005000001955193DE00AC6C69F0521FBD40628FBE8F13EAEDEA0000000000000005000001955193DE00');
INSERT INTO "recent" VALUES(11,-8621467614517287435,39,0,X'0467B9572677FF52EC4233B0FA8C0F1C0000000000000006000001955193DE0093B91BD67178EF74C40E96A7A40D51310000000000000006000001955193DE0086E48EDEAFBCC23E0627621018CAFCCC0000000000000006000001955193DE0044BBA3029BBAB01052082744F25E19BD0000000000000007000001955193DE00A70B8258B05A3FC082A0D862404EBA180000000000000007000001955193DE0090C5FDB24736C0C6BB09C8E64DDEFCEA0000000000000008000001955193DE00A784F52C01FF0F361F6BAC78D5AECD420000000000000008000001955193DE009CB72DF35A40ACC0121855CF347E65470000000000000008000001955193DE00');
INSERT INTO "recent" VALUES(12,2426626502220495897,42,0,X'9FE59DA935D5436693DB35A9F97737840000000000000009000001955193DE00ED4FB8D0D7F5DEBA42D5EE0E8F15E77E0000000000000009000001955193DE00D0FE87DEF6A8202478CDB0B6DCAD8ECD0000000000000009000001955193DE00');
CREATE TABLE refresh_tokens (
    destination TEXT PRIMARY KEY, version INTEGER NOT NULL, sealed BLOB, given BLOB, holder TEXT, held_until INTEGER
) WITHOUT ROWID;
CREATE TABLE refusals (
    source TEXT NOT NULL, cause TEXT NOT NULL, detail TEXT NOT NULL, n INTEGER NOT NULL,
    first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
    skew INTEGER,            -- milliseconds that this clock is ahead of the last stale request's time
    PRIMARY KEY (source, cause, detail)
) WITHOUT ROWID;
CREATE TABLE remembered (
    number INTEGER PRIMARY KEY AUTOINCREMENT, webhook INTEGER NOT NULL, reason TEXT NOT NULL, rank INTEGER NOT NULL,
    lends BLOB NOT NULL, created_at INTEGER NOT NULL
);
CREATE TABLE revisits (
    key BLOB NOT NULL, webhook INTEGER NOT NULL REFERENCES webhooks ON DELETE CASCADE, PRIMARY KEY (key, webhook)
) WITHOUT ROWID;
CREATE TABLE standings (
    destination TEXT PRIMARY KEY,
    paused TEXT,
    paused_at INTEGER,
    probe_at INTEGER,
    probes INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    paused_for INTEGER NOT NULL DEFAULT 0,
    last_claim_at INTEGER,       -- for the spacing of claims
    last_due INTEGER             -- of the newest delivery, for the order of the next
, checked_at INTEGER, check_failed TEXT, version INTEGER NOT NULL DEFAULT 0, held_until INTEGER) WITHOUT ROWID;
INSERT INTO "standings" VALUES('ads','401 no such key',1740830400000,1740830460000,1,2,0,60000,1740830400000,1740830400000,NULL,NULL,0,NULL);
INSERT INTO "standings" VALUES('track',NULL,NULL,NULL,0,0,0,0,1740830400000,1740830400000,NULL,NULL,0,NULL);
CREATE TABLE unreadable (number INTEGER PRIMARY KEY, count INTEGER NOT NULL, packed BLOB NOT NULL);
CREATE TABLE waiting (
    key BLOB NOT NULL, webhook INTEGER NOT NULL REFERENCES webhooks ON DELETE CASCADE, PRIMARY KEY (key, webhook)
) WITHOUT ROWID;
INSERT INTO "waiting" VALUES(X'AAF1CEC40976BDFD9B479D53D5DDB566',4);
CREATE TABLE webhooks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    topic TEXT,
    state TEXT NOT NULL CHECK (state IN ('received', 'translated', 'ignored', 'set_aside')),
    reason TEXT,
    received_at INTEGER NOT NULL,
    due INTEGER,             -- when a received one may be claimed: its receipt, or the end of a lease
    headers TEXT NOT NULL,   -- JSON, or '' for none
    query TEXT NOT NULL,     -- JSON, or '' for none
    item TEXT,
    identity BLOB NOT NULL,  -- its ledger keys, 16 bytes each
    body INTEGER NOT NULL    -- bodies.number
, looked_at INTEGER NOT NULL DEFAULT 0, waits_until INTEGER, mapping INTEGER);
INSERT INTO "webhooks" VALUES(1,'shopify','w-translated','orders/paid','translated',NULL,1740830400000,NULL,'{"content-type":"application/json","x-shopify-webhook-id":"w-translated"}','{"shop":"a b"}',NULL,X'292E3F81B7075A2B82596AFBF477CB44E77E2F312586E7A9D445924DE4B714EB',1,0,NULL,NULL);
INSERT INTO "webhooks" VALUES(2,'shopify','w-ignored','orders/paid','ignored','no rule for this topic',1740830400000,NULL,'{"content-type":"application/json","x-shopify-webhook-id":"w-ignored"}','{"shop":"a b"}',NULL,X'86BC477A2012059D8DD5BBA638E0CFCF5542D8009AB25DE8360BDC3895C01E41',2,0,NULL,NULL);
INSERT INTO "webhooks" VALUES(3,'shopify','w-aside','orders/paid','set_aside','shopify.yaml:12:5: the field ''id'' is missing',1740830400000,NULL,'{"content-type":"application/json","x-shopify-webhook-id":"w-aside"}','{"shop":"a b"}',NULL,X'84B04353CBFCC110207EF24AE142342ED073CEA97432D6B5C34E7378DA975D0B',3,0,NULL,NULL);
INSERT INTO "webhooks" VALUES(4,'shopify','w-waiting','refunds/create','received','waits for purchase until 2025-03-01T13:00:00+00:00',1740830400000,1740834000000,'{"content-type":"application/json","x-shopify-webhook-id":"w-waiting"}','{"shop":"a b"}',NULL,X'ABEBE600445D25828227282195432E05D0C5FC58623582873071C5C29F295BFE',4,1,1740834000000,NULL);
INSERT INTO "webhooks" VALUES(5,'shopify','w-claimed','orders/paid','received',NULL,1740830400000,1740830460000,'{"content-type":"application/json","x-shopify-webhook-id":"w-claimed"}','{"shop":"a b"}',NULL,X'A9B4F26D7D20083E844D9E611EBFFD4A31BB5C030B6EAC1775F5C289312E5180',5,0,NULL,NULL);
INSERT INTO "webhooks" VALUES(6,'shopify','w-item-0','orders/paid','received',NULL,1740830400000,1740830400000,'{"content-type":"application/json","x-shopify-webhook-id":"w-item-0"}','{"shop":"a b"}','/0',X'4F562AF2394A14C5535B7C23AB5DDDE0',6,0,NULL,NULL);
INSERT INTO "webhooks" VALUES(7,'shopify','w-item-1','orders/paid','received',NULL,1740830400000,1740830400000,'{"content-type":"application/json","x-shopify-webhook-id":"w-item-1"}','{"shop":"a b"}','/1',X'F577E2B61666081F215AD7DBC5FD353E',6,0,NULL,NULL);
INSERT INTO "webhooks" VALUES(8,'shopify','w-received','orders/paid','received',NULL,1740830400000,1740830400000,'{"content-type":"application/json","x-shopify-webhook-id":"w-received"}','{"shop":"a b"}',NULL,X'4D022AA9D366BD766D3FEAC921698768DEAE8F255F13C384EEE72DCA52F223B5',7,0,NULL,NULL);
INSERT INTO "webhooks" VALUES(9,'shopify','w-received-too','orders/paid','received',NULL,1740830400000,1740830400000,'{"content-type":"application/json","x-shopify-webhook-id":"w-received-too"}','{"shop":"a b"}',NULL,X'ED6610B45E2BB205CE11EA8042F2AE98D3FA4EC186092163BDDC73A2DD2AC5D7',8,0,NULL,NULL);
CREATE INDEX webhooks_due ON webhooks (due) WHERE state = 'received';
CREATE INDEX webhooks_oldest ON webhooks (received_at) WHERE state = 'received';
CREATE INDEX webhooks_set_aside ON webhooks (number) WHERE state = 'set_aside';
CREATE INDEX events_id ON events (id);
CREATE INDEX events_webhook ON events (webhook) WHERE webhook IS NOT NULL;
CREATE UNIQUE INDEX deliveries_event ON deliveries (event, destination);
CREATE INDEX deliveries_due ON deliveries (destination, due) WHERE state = 'pending';
CREATE INDEX deliveries_oldest ON deliveries (destination, created_at) WHERE state = 'pending';
CREATE INDEX deliveries_dead ON deliveries (number) WHERE state = 'dead';
CREATE INDEX claims_destination ON claims (destination, until);
CREATE TRIGGER webhooks_come AFTER INSERT ON webhooks BEGIN
    INSERT INTO counts VALUES ('webhooks', new.source, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER webhooks_change AFTER UPDATE OF state ON webhooks WHEN old.state <> new.state BEGIN
    UPDATE counts SET n = n - 1 WHERE of = 'webhooks' AND name = old.source AND state = old.state;
    INSERT INTO counts VALUES ('webhooks', new.source, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER webhooks_go AFTER DELETE ON webhooks BEGIN
    UPDATE counts SET n = n - 1 WHERE of = 'webhooks' AND name = old.source AND state = old.state;
END;
CREATE TRIGGER events_come AFTER INSERT ON events BEGIN
    INSERT INTO counts
    VALUES ('events', new.event_type, CASE WHEN new.duplicate_of IS NULL THEN 'fresh' ELSE 'duplicate' END, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER events_go AFTER DELETE ON events BEGIN
    UPDATE counts SET n = n - 1
    WHERE of = 'events' AND name = old.event_type
    AND state = CASE WHEN old.duplicate_of IS NULL THEN 'fresh' ELSE 'duplicate' END;
END;
CREATE TRIGGER deliveries_come AFTER INSERT ON deliveries BEGIN
    INSERT INTO counts VALUES ('deliveries', new.destination, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER deliveries_go AFTER DELETE ON deliveries BEGIN
    UPDATE counts SET n = n - 1 WHERE of = 'deliveries' AND name = old.destination AND state = old.state;
END;
CREATE INDEX waiting_webhook ON waiting (webhook);
CREATE TRIGGER days_come AFTER INSERT ON webhooks BEGIN
    INSERT INTO days VALUES (new.received_at / 86400000, new.source, new.state, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO lasts VALUES (new.source, new.received_at) ON CONFLICT DO UPDATE SET at = max(at, excluded.at);
END;
CREATE TRIGGER days_change AFTER UPDATE OF state ON webhooks WHEN old.state <> new.state BEGIN
    UPDATE days SET n = n - 1
    WHERE day = old.received_at / 86400000 AND source = old.source AND state = old.state;
    INSERT INTO days VALUES (new.received_at / 86400000, new.source, new.state, 1)
    ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER days_go AFTER DELETE ON webhooks BEGIN
    UPDATE days SET n = n - 1
    WHERE day = old.received_at / 86400000 AND source = old.source AND state = old.state;
    DELETE FROM days
    WHERE day = old.received_at / 86400000 AND source = old.source AND state = old.state AND n <= 0;
END;
CREATE INDEX events_differ ON events (number) WHERE differs;
CREATE INDEX events_door ON events (origin);
CREATE INDEX events_duplicates ON events (number) WHERE duplicate_of IS NOT NULL;
CREATE INDEX events_given ON events (given_id) WHERE given_id <> '';
CREATE INDEX webhooks_body ON webhooks (body);
CREATE INDEX webhooks_not_looked_at ON webhooks (received_at) WHERE state = 'received' AND NOT looked_at;
CREATE INDEX deferred_at ON deferred (at);
CREATE INDEX revisits_webhook ON revisits (webhook);
CREATE INDEX actions_subject ON actions (subject);
CREATE INDEX webhooks_privacy ON webhooks (number)
WHERE state = 'ignored' AND substr(reason, 1, 15) = 'privacy request';
CREATE INDEX events_ranked ON events (value, occurred_at) WHERE rank > 0;
CREATE INDEX events_doubted ON events (number) WHERE instr(notes, 'double: ') > 0;
CREATE INDEX events_earlier ON events (value, occurred_at) WHERE mapping IS NULL AND value IS NOT NULL;
CREATE VIEW outcome_reached AS
SELECT 0 AS day, '' AS destination, '' AS event_type, '' AS state, '' AS reason, 0 AS waited WHERE 0;
CREATE TRIGGER outcome_reached_counted INSTEAD OF INSERT ON outcome_reached BEGIN
    INSERT INTO delivery_reasons
    SELECT new.day, new.destination,
        CASE WHEN EXISTS (
            SELECT 1 FROM delivery_reasons
            WHERE day = new.day AND destination = new.destination AND event_type = new.event_type
        ) OR (
            SELECT count(DISTINCT event_type) FROM delivery_reasons
            WHERE day = new.day AND destination = new.destination
        ) < 50 THEN new.event_type ELSE 'other' END,
        new.state,
        CASE WHEN worded.reason = '' OR EXISTS (
            SELECT 1 FROM delivery_reasons
            WHERE day = new.day AND destination = new.destination AND reason = worded.reason
        ) OR (
            SELECT count(DISTINCT reason) FROM delivery_reasons
            WHERE day = new.day AND destination = new.destination AND reason <> ''
        ) < 50 THEN worded.reason ELSE 'other' END,
        1, 1
    FROM (
        SELECT CASE
            WHEN new.state = 'delivered' THEN ''
            WHEN new.reason LIKE '% is not among its events' THEN 'not among its events'
            WHEN new.reason = 'too old' AND new.waited > 3600000 THEN 'too old while it waited'
            ELSE trim(substr(coalesce(new.reason, ''), 1, 60))
        END AS reason
    ) AS worded
    WHERE true
    ON CONFLICT DO UPDATE SET n = n + 1, ever = ever + 1;
END;
CREATE TRIGGER delivery_reasons_come AFTER INSERT ON deliveries WHEN new.state <> 'pending' BEGIN
    INSERT INTO outcome_reached
    SELECT new.created_at / 86400000, new.destination, event_type, new.state, new.reason, 0
    FROM events WHERE number = new.event;
END;
CREATE TRIGGER delivery_reasons_left AFTER UPDATE OF state ON deliveries
WHEN old.state <> new.state AND old.state <> 'pending' BEGIN
    UPDATE delivery_reasons SET n = n - 1
    WHERE day = old.created_at / 86400000 AND destination = old.destination AND state = old.state
    AND (event_type, reason) = (
        SELECT counted.event_type, counted.reason FROM delivery_reasons AS counted, events AS e
        WHERE e.number = old.event AND counted.day = old.created_at / 86400000
        AND counted.destination = old.destination AND counted.state = old.state AND counted.n > 0
        ORDER BY counted.event_type = e.event_type DESC, counted.event_type = 'other' DESC,
            counted.reason = trim(substr(coalesce(old.reason, ''), 1, 60)) DESC,
            counted.reason LIKE trim(substr(coalesce(old.reason, ''), 1, 60)) || ' while it waited' DESC,
            counted.reason = 'other' DESC
        LIMIT 1
    );
END;
CREATE INDEX deferred_by_rank ON deferred (rank, at);
CREATE INDEX events_differing ON events (number) WHERE differs;
CREATE INDEX events_repeating ON events (duplicate_of) WHERE duplicate_of IS NOT NULL;
CREATE INDEX events_no_longer_made ON events (number) WHERE instr(notes, 'no longer made: ') > 0;
CREATE TRIGGER deliveries_change AFTER UPDATE OF state ON deliveries
WHEN old.state <> new.state AND NOT (old.state = 'pending' AND new.state = 'delivered') BEGIN
    UPDATE counts SET n = n - 1 WHERE of = 'deliveries' AND name = old.destination AND state = old.state;
    INSERT INTO counts VALUES ('deliveries', new.destination, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER delivery_reasons_reached AFTER UPDATE OF state ON deliveries
WHEN old.state <> new.state AND new.state <> 'pending' AND NOT (old.state = 'pending' AND new.state = 'delivered') BEGIN
    INSERT INTO outcome_reached
    SELECT new.created_at / 86400000, new.destination, event_type, new.state, new.reason, new.due - new.created_at
    FROM events WHERE number = new.event;
END;
CREATE INDEX event_names_name ON event_names (name);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('bodies',8);
INSERT INTO "sqlite_sequence" VALUES('webhooks',9);
INSERT INTO "sqlite_sequence" VALUES('recent',12);
INSERT INTO "sqlite_sequence" VALUES('events',9);
INSERT INTO "sqlite_sequence" VALUES('deliveries',8);
INSERT INTO "sqlite_sequence" VALUES('claims',5);
INSERT INTO "sqlite_sequence" VALUES('attempts',4);
COMMIT;
