<?php
// A shop that took payments from Ping++'s own webhooks before: one script in php-fpm, pages by ?s=, prices in yuan, 200 to everything, and the word
// "success" to a webhook. PHP 5.6 or later, with pdo_sqlite. What caddypay wanted of it stands between the marks; the rest was there before.
ini_set('display_errors', '0'); // PHP answers 200 to an error that it shows
$db = new PDO('sqlite:' . dirname(__DIR__) . '/shop.db', null, null, array(PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION)); // outside of what Caddy serves
$db->exec('CREATE TABLE IF NOT EXISTS orders (sn TEXT PRIMARY KEY, goods TEXT, total TEXT, openid TEXT, state INTEGER, charge TEXT, shipped INTEGER DEFAULT 0)');

$goods = array('tea' => array('Green tea 绿茶', '19.99'), 'cup' => array('Cup 茶杯', '45.00')); // yuan, with two decimals always, as DECIMAL(10,2) has them
$openid = isset($_SERVER['HTTP_X_WX_OPENID']) ? $_SERVER['HTTP_X_WX_OPENID'] : '';
$page = isset($_GET['s']) && is_string($_GET['s']) ? $_GET['s'] : '';
$sn = isset($_GET['sn']) && is_string($_GET['sn']) ? $_GET['sn'] : '';

function query($sql, $values)
{
    $statement = $GLOBALS['db']->prepare($sql);
    $statement->execute($values);
    return $statement;
}

function answer($code, $msg, $data = null)
{
    header('Content-Type: application/json; charset=utf-8');
    exit(json_encode(array('code' => $code, 'msg' => $msg, 'data' => $data)));
}

// ==== payment: begin ====
// Who calls pay/… must know the token; before, openssl_verify looked at X-Pingplusplus-Signature, which what caddypay learns by asking does not have.
function guard()
{
    $token = (string) getenv('PAY_BACKEND_TOKEN');
    if (strlen($token) < 32 || !isset($_SERVER['HTTP_X_PAY_TOKEN'], $_SERVER['HTTP_X_PAY_MODE']) || !hash_equals($token, $_SERVER['HTTP_X_PAY_TOKEN'])
        || $_SERVER['HTTP_X_PAY_MODE'] !== (getenv('PAY_MODE') ?: 'live')) { // a stranger, or a free test payment for real goods
        http_response_code(403);
        answer(403, 'wrong X-Pay-Token or X-Pay-Mode');
    }
}
if ($page === '/pay/order') { // what order/detail tells its customer, of whoever's order
    guard();
    $order = query('SELECT sn, goods, total, openid, state, shipped FROM orders WHERE sn = ?', array($sn))->fetch(PDO::FETCH_ASSOC);
    $order ? answer(0, 'ok', $order) : answer(404, '订单不存在');
}
if ($page === '/pay/notify') {
    guard();
}
// ==== payment: end ====

if ($page === '/pay/notify') { // of Ping++
    $event = json_decode(file_get_contents('php://input'), true);
    if (!isset($event['type'], $event['data']['object'])) {
        exit('fail');
    }
    $it = $event['data']['object'];
    $db->exec('BEGIN IMMEDIATE'); // MySQL: START TRANSACTION, and SELECT … FOR UPDATE
    // ==== payment: begin ====
    $sn = isset($_SERVER['HTTP_X_PAY_ORDER_NO']) ? $_SERVER['HTTP_X_PAY_ORDER_NO'] : ''; // before: $it['order_no'], which is Ping++'s own number now
    // ==== payment: end ====
    $order = query('SELECT * FROM orders WHERE sn = ?', array($sn))->fetch(PDO::FETCH_ASSOC);
    if ($event['type'] === 'charge.succeeded' && (!$order || $order['charge'] !== $it['id'])) {
        if (!$order || (int) $order['state'] !== 0 || (int) str_replace('.', '', $order['total']) !== $it['amount']) {
            exit('fail'); // nothing is committed then
        }
        query('UPDATE orders SET state = 1, charge = ?, shipped = shipped + 1 WHERE sn = ?', array($it['id'], $sn));
    }
    if ($event['type'] === 'refund.succeeded' && $order && $order['charge'] === $it['charge']) {
        query('UPDATE orders SET state = 2 WHERE sn = ?', array($sn)); // this shop gives all back or nothing
    }
    $db->exec('COMMIT');
    exit('success');
}
if ($page === '/order/create' && $_SERVER['REQUEST_METHOD'] === 'POST') {
    $wanted = json_decode(file_get_contents('php://input'), true);
    $product = isset($wanted['product']) && is_string($wanted['product']) ? $wanted['product'] : '';
    if ($openid === '' || !isset($goods[$product])) {
        answer(400, 'log in, and choose tea or cup');
    }
    $sn = date('YmdHis') . mt_rand(100000, 999999);
    query('INSERT INTO orders (sn, goods, total, openid, state) VALUES (?, ?, ?, ?, 0)', array($sn, $goods[$product][0], $goods[$product][1], $openid));
    answer(0, 'ok', array('order_no' => $sn));
}
if ($page === '/order/detail') {
    $order = query('SELECT sn, goods, total, state, shipped FROM orders WHERE sn = ? AND openid = ?', array($sn, $openid))->fetch(PDO::FETCH_ASSOC);
    $order ? answer(0, 'ok', $order) : answer(404, '订单不存在');
}
answer(404, 'no such page');
