-- What better-auth and its api-key plugin keep in SQLite: the tables as its migration makes them, four keys of two users, and how these
-- sign in: Ada with the password "correct horse battery staple", Al with Google alone.
CREATE TABLE "user" (
  "id" text NOT NULL PRIMARY KEY, "name" text NOT NULL, "email" text NOT NULL UNIQUE, "emailVerified" integer NOT NULL,
  "image" text, "createdAt" date NOT NULL, "updatedAt" date NOT NULL
);
CREATE TABLE "account" (
  "id" text NOT NULL PRIMARY KEY, "accountId" text NOT NULL, "providerId" text NOT NULL, "userId" text NOT NULL REFERENCES "user" ("id"),
  "accessToken" text, "refreshToken" text, "idToken" text, "accessTokenExpiresAt" date, "refreshTokenExpiresAt" date, "scope" text,
  "password" text, "createdAt" date NOT NULL, "updatedAt" date NOT NULL
);
CREATE TABLE "apikey" (
  "id" text NOT NULL PRIMARY KEY, "configId" text NOT NULL, "name" text, "start" text, "referenceId" text NOT NULL, "prefix" text,
  "key" text NOT NULL, "refillInterval" integer, "refillAmount" integer, "lastRefillAt" date, "enabled" integer,
  "rateLimitEnabled" integer, "rateLimitTimeWindow" integer, "rateLimitMax" integer, "requestCount" integer, "remaining" integer,
  "lastRequest" date, "expiresAt" date, "createdAt" date NOT NULL, "updatedAt" date NOT NULL, "permissions" text, "metadata" text
);
INSERT INTO "user" VALUES
  ('Kx2n0bV7cQ', 'Ada Lovelace', 'ada@example.com', 1, NULL, '2025-02-01T09:30:00.000Z', '2025-02-01T09:30:00.000Z'),
  ('p9RzT4mW1s', 'O''Neil, "Al"', 'al@example.com', 1, NULL, '2025-03-04T12:00:00.250Z', '2025-03-04T12:00:00.250Z');
INSERT INTO "account" VALUES
  ('a1', 'Kx2n0bV7cQ', 'credential', 'Kx2n0bV7cQ', NULL, NULL, NULL, NULL, NULL, NULL, '00112233445566778899aabbccddeeff:f5b22309b28fe412c82a4b2cab57498b8f8a42c849af16cb908974048f61c13933421858db3a8f111430bdc493c7cef90f61f904061c77206e3820a2e8b11bc2', '2025-02-01T09:30:00.000Z', '2025-02-01T09:30:00.000Z'),
  ('a2', '104857291', 'google', 'Kx2n0bV7cQ', NULL, NULL, NULL, NULL, NULL, 'openid,email', NULL, '2025-02-02T09:30:00.000Z', '2025-02-02T09:30:00.000Z'),
  ('a3', '118392044', 'google', 'p9RzT4mW1s', NULL, NULL, NULL, NULL, NULL, 'openid,email', NULL, '2025-03-04T12:00:00.250Z', '2025-03-04T12:00:00.250Z');
INSERT INTO "apikey" VALUES
  ('k1', 'default', 'laptop', 'ba_QDm', 'Kx2n0bV7cQ', 'ba_', 'ZhgHNupspudgJi8qDL9bA_OZ_1isYJk7PtdWncXuSMU', NULL, NULL, NULL, 1, 1, 86400000, 10, 0, NULL, '2025-06-01T08:00:00.000Z', NULL, '2025-04-01T10:00:00.000Z', '2025-04-01T10:00:00.000Z', NULL, NULL),
  ('k2', 'default', 'build server', 'ba_iUK', 'Kx2n0bV7cQ', 'ba_', 'nOcq4WDg3hUm78qpfJIZY6je5Ps8OvbL7g6PeCPkVDs', NULL, NULL, NULL, 1, 1, 60000, 120, 0, NULL, NULL, '2999-01-01T00:00:00.000Z', '2025-04-01T10:00:00.000Z', '2025-04-01T10:00:00.000Z', '{"files":["read","write"],"users":["read"]}', '{"team":"core"}'),
  ('k3', 'default', NULL, 'ba_dNh', 'p9RzT4mW1s', 'ba_', 'A-CzM-wCwil1xuImc37CkOIjM9xC0jtlu7V0j59HGvQ', NULL, NULL, NULL, 0, 0, 86400000, 10, 0, NULL, NULL, NULL, '2025-04-01T10:00:00.000Z', '2025-04-01T10:00:00.000Z', NULL, '"{\"double\":true}"'),
  ('k4', 'default', 'old', 'ba_weE', 'p9RzT4mW1s', 'ba_', 'ZGfJSskrgyzcBIDhnVXdIMteI_Iz1Kt4x1ksVUhaXVs', NULL, NULL, NULL, 1, 1, 5000, 3, 0, NULL, NULL, '2025-01-01T00:00:00.000Z', '2025-04-01T10:00:00.000Z', '2025-04-01T10:00:00.000Z', NULL, NULL);
