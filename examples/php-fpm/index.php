<?php
// A shop as there are many: one script in php-fpm, a table of orders, no framework. PHP 5.6 or later, with pdo_sqlite.
// What caddypay wanted of it stands between the two marks; the rest was there before.
ini_set('display_errors', '0'); // PHP answers 200 to an error that it shows
$db = new PDO('sqlite:' . dirname(__DIR__) . '/shop.db', null, null, array(PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION)); // outside of what Caddy serves
$db->exec('CREATE TABLE IF NOT EXISTS orders (order_no TEXT PRIMARY KEY, title TEXT, total INTEGER, openid TEXT, state TEXT)');
$db->exec('CREATE TABLE IF NOT EXISTS shipments (order_no TEXT)');

$goods = array('tea' => array('Green tea 绿茶', 1999), 'cup' => array('Cup 茶杯', 4500)); // fen
$path = empty($_SERVER['PATH_INFO']) ? strtok($_SERVER['REQUEST_URI'], '?') : $_SERVER['PATH_INFO'];

function sent($name)
{
    $name = 'HTTP_' . strtr(strtoupper($name), '-', '_');
    return isset($_SERVER[$name]) ? $_SERVER[$name] : '';
}

function query($sql, $values)
{
    $statement = $GLOBALS['db']->prepare($sql);
    $statement->execute($values);
    return $statement;
}

function answer($status, $value)
{
    http_response_code($status);
    header('Content-Type: application/json; charset=utf-8');
    exit(json_encode($value));
}

// ==== payment: begin ====
$db->exec('CREATE TABLE IF NOT EXISTS payments (charge TEXT PRIMARY KEY, order_no TEXT UNIQUE)'); // an order is paid once
$db->exec('CREATE TABLE IF NOT EXISTS refunds (refund TEXT PRIMARY KEY, charge TEXT, amount INTEGER)');
if (strpos($path, '/internal/pay/') === 0) {
    $token = (string) getenv('PAY_BACKEND_TOKEN');
    if (strlen($token) < 32 || !hash_equals($token, sent('X-Pay-Token')) || sent('X-Pay-Mode') !== (getenv('PAY_MODE') ?: 'live')) {
        answer(403, 'wrong X-Pay-Token or X-Pay-Mode'); // a stranger, or a free test payment for real goods
    }
    if (preg_match('~^/internal/pay/orders/(.+)$~', $path, $m)) {
        $o = query('SELECT *, (SELECT count(*) FROM shipments s WHERE s.order_no = o.order_no) shipped FROM orders o WHERE order_no = ?', array($m[1]))->fetch();
        $o ? answer(200, array('order_no' => $o['order_no'], 'amount' => (int) $o['total'], 'subject' => $o['title'], 'openid' => $o['openid'],
            'status' => $o['state'] === 'unpaid' ? 'payable' : ($o['state'] === 'paid' ? 'paid' : 'closed'), 'fulfilled' => (int) $o['shipped'])) : answer(404, 'no such order');
    }
    $it = json_decode(file_get_contents('php://input'), true)['data']['object'];
    $db->beginTransaction();
    if (sent('X-Pay-Event') === 'charge.succeeded') {
        $pay = query("UPDATE orders SET state = 'paid' WHERE order_no = ? AND total = ? AND state = 'unpaid'", array(sent('X-Pay-Order-No'), $it['amount']));
        if ($pay->rowCount() === 1) {
            query('INSERT INTO payments VALUES (?, ?)', array($it['id'], sent('X-Pay-Order-No')));
            query('INSERT INTO shipments VALUES (?)', array(sent('X-Pay-Order-No')));
        } elseif (!query('SELECT 1 FROM payments WHERE charge = ? AND order_no = ?', array($it['id'], sent('X-Pay-Order-No')))->fetch()) {
            answer(409, 'no order to be paid at this price'); // nothing is committed then
        }
    } elseif (sent('X-Pay-Event') === 'refund.succeeded') {
        query('INSERT OR IGNORE INTO refunds VALUES (?, ?, ?)', array($it['id'], $it['charge'], $it['amount']));
        query("UPDATE orders SET state = 'refunded' WHERE order_no = (SELECT order_no FROM payments WHERE charge = ?)
            AND total <= (SELECT sum(amount) FROM refunds WHERE charge = ?)", array($it['charge'], $it['charge']));
    }
    $db->commit();
    exit('success');
}
// ==== payment: end ====

$openid = sent('X-WX-OPENID'); // Caddy says who it is
if ($path === '/orders' && $_SERVER['REQUEST_METHOD'] === 'POST') {
    $wanted = json_decode(file_get_contents('php://input'), true);
    $product = isset($wanted['product']) && is_string($wanted['product']) ? $wanted['product'] : '';
    if ($openid === '' || !isset($goods[$product])) {
        answer($openid === '' ? 401 : 404, 'log in, and choose tea or cup');
    }
    $no = date('YmdHis') . mt_rand(100000, 999999);
    query("INSERT INTO orders VALUES (?, ?, ?, ?, 'unpaid')", array($no, $goods[$product][0], $goods[$product][1], $openid));
    answer(201, array('order_no' => $no));
}
if (preg_match('~^/orders/(\d+)$~', $path, $m)) {
    $order = query('SELECT order_no, title, total, state FROM orders WHERE order_no = ? AND openid = ?', array($m[1], $openid))->fetch(PDO::FETCH_ASSOC);
    $order ? answer(200, $order) : answer(404, 'no such order');
}
answer(404, 'no such page');
